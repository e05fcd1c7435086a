//! A script as a file, by every way that files come in.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::time::{Instant, sleep};
use xylem_bench::fleet::Fleet;
use xylem_bench::publish::plain_disk;
use xylem_model::{FileKind, Priority};
use xylem_testkit::WebDav;

use super::{search, texts};
use crate::pair::{CHILD, ROOT};

/// Commands that upload, and endings that their files may have; the first is a script's own.
const UPLOADS: [(&str, &[&str]); 3] = [
    ("package", &["sh", "pkg", "dmg", "zip"]),
    ("app", &["sh", "ipa"]),
    ("ebook", &["sh", "epub", "pdf"]),
];
/// What is put where files are published at once, and where everything may be dropped.
const MOUNTED: [&str; 2] = ["sh", "pkg"];
/// The account of somebody who mounts the server.
const USER: &str = "casper";
/// How long a server may take to say why something is not published, or to fetch a file.
const LIMIT: Duration = Duration::from_secs(120);

/// Tries each way once; gives how many there are. Nothing is published, and nothing kept but what
/// was dropped, until whoever dropped it removes it.
pub(super) async fn try_all(fleet: &Fleet, scratch: &Path) -> anyhow::Result<usize> {
    let script = texts::alone("as-a-file").contents();
    let mut ways = 0;
    for (command, endings) in UPLOADS {
        for ending in endings {
            let file = scratch.join(format!("Script.{ending}"));
            fs::write(&file, &script)?;
            let path = file.to_str().context("the path is not Unicode")?;
            for way in [&[][..], &["--through-server"]] {
                let words = [&[command, "upload", path], way].concat();
                refused(fleet, &words).await?;
                ways += 1;
            }
        }
    }
    ways += mounted(fleet, script.as_bytes()).await?;
    for kind in FileKind::ALL {
        let published = fleet.access().admin.files(*kind, None).await?.items;
        ensure!(published.is_empty(), "a script was published: {published:?}");
    }
    // What both servers fetch now they fetch after everything above.
    let file = plain_disk("no script", 64 << 10);
    let content = fleet.send("last.dmg", file, Priority::Normal).await?.content;
    for server in [ROOT, CHILD] {
        fleet.arrival(server, &content, LIMIT).await?;
    }
    Ok(ways)
}

/// What is said of a file of another form, or of an ending that its kind has not.
const REASONS: [&str; 3] = ["was refused", "is refused", "end in"];

/// Nothing but what the file holds, or how it is called, is the reason.
async fn refused(fleet: &Fleet, words: &[&str]) -> anyhow::Result<()> {
    match fleet.xylem(words).await {
        Ok(_) => bail!("{words:?} is taken"),
        Err(error) => {
            let told = format!("{error:#}");
            let is_meant = REASONS.iter().any(|reason| told.contains(reason));
            ensure!(is_meant, "{words:?} fails for another reason: {told}");
            Ok(())
        }
    }
}

/// By WebDAV, into the folder of packages and into the one for everything.
async fn mounted(fleet: &Fleet, script: &[u8]) -> anyhow::Result<usize> {
    let password = fleet.add_account(ROOT, USER).await?;
    let share = WebDav::to(&fleet.url_of(ROOT)?, &fleet.ca_file()).with(USER, &password);
    for ending in MOUNTED {
        let put = share.ask("PUT", &format!("/Packages/Script.{ending}"), &[], script).await;
        ensure!(put.status == 422, "as a package .{ending} it gets {}: {}", put.status, put.text());
        let put = share.ask("PUT", &format!("/Drop/Script.{ending}"), &[], script).await;
        ensure!(put.status == 201, "it cannot be dropped: {}", put.text());
    }
    let end = Instant::now() + LIMIT;
    loop {
        let told = share.ask("GET", "/Drop/Not%20published.txt", &[], b"").await.text();
        if MOUNTED.iter().all(|ending| told.contains(&format!("Script.{ending}: "))) {
            break;
        }
        ensure!(Instant::now() < end, "it is not said why it is not published: {told}");
        sleep(Duration::from_millis(100)).await;
    }
    // It lies where it was dropped, and nowhere else.
    let (found, _) = search::holding(&fleet.data_of(ROOT))?;
    ensure!(found.len() == MOUNTED.len(), "what was dropped lies in {found:?}");
    for ending in MOUNTED {
        let removed = share.ask("DELETE", &format!("/Drop/Script.{ending}"), &[], b"").await;
        ensure!(removed.status == 204, "it cannot be removed: {}", removed.text());
    }
    Ok(2 * MOUNTED.len())
}

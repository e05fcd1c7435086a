//! `put`: writing one file by WebDAV, until it is durable, beside Apache's mod_dav and
//! `rclone serve webdav`.
//!
//! The client is the same for all, curl. Ours is done when it answers: then the file has been
//! hashed twice over (BLAKE3 and SHA-256), is durable, is in the signed catalogue and is published.
//! Of the others the file and its folder are synced, in the measured time. In each round all get
//! the same new bytes; ours asks for a name and a password, theirs let everybody in.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use xylem::system::Programs;

use crate::debian::{self, Tool};
use crate::fleet::Fleet;
use crate::options::Options;
use crate::peers::shares::{self, Share};
use crate::publish::{content_of_file, write_random};
use crate::ready::make_ready;
use crate::room::Host;
use crate::rows::{Goal, Row, Sample};
use crate::scratch::Scratch;
use crate::shell::finish;

const ROOT: &str = "root";
const USER: &str = "casper";
const XYLEM: &str = "xylem";

/// Size of the file, in MiB, where no smaller one is asked for.
const SIZE_MIB: u64 = 512;

/// Which part of the time of whom is allowed.
const GOALS: [(&str, Goal); 2] =
    [("apache", Goal { must: 1.0, aim: 0.7 }), ("rclone", Goal { must: 0.6, aim: 0.6 })];

/// What is needed beside curl.
const TOOLS: &[Tool] = &[
    Tool::new("curl", "curl"),
    Tool::new("apache2", "apache2-bin"),
    Tool::new("openssl", "openssl"),
    Tool::new("rclone", "rclone"),
];

/// Runs all rounds; says whether both goals were met.
///
/// # Errors
/// When something breaks.
pub fn run(programs: &Programs, options: &Options) -> anyhow::Result<bool> {
    options.check_rows(&[])?;
    debian::require(TOOLS)?;
    let scratch = Scratch::on_disk(&options.folder)?;
    Host::loopback().inside(async || measure(programs, options, scratch.path()).await)
}

async fn measure(programs: &Programs, options: &Options, folder: &Path) -> anyhow::Result<bool> {
    let (host, size) = (Host::loopback(), options.size_mib.min(SIZE_MIB) << 20);
    let mut fleet = Fleet::start(programs, &folder.join("fleet"), &host).await?;
    fleet.add(ROOT, &host, None).await?;
    let ours = ours(&fleet).await?;
    let shares = shares::start(&host, &folder.join("peers")).await?;
    let ca = folder.join("peers/cert.pem");
    let mut row = Row::new("put");
    for round in 1..=options.rounds {
        let name = format!("file-{round}.dmg");
        let file = folder.join(&name);
        write_random(&file, round as u64, size)?;
        make_ready();
        let before = fleet.cpu_seconds(ROOT);
        let url = format!("{}/Packages/{name}", ours.url);
        let seconds = put(&file, &url, &ours.ca, Some(&ours.login), None)?;
        row.add(XYLEM, Sample::of_server(seconds, fleet.cpu_seconds(ROOT) - before));
        for share in &shares {
            make_ready();
            let before = share.cpu_seconds();
            let (url, copy) = (format!("{}/{name}", share.url), share.folder.join(&name));
            let seconds = put(&file, &url, &ca, None, Some(&copy))?;
            row.add(share.name, Sample::of_server(seconds, share.cpu_seconds() - before));
            std::fs::remove_file(copy)?;
        }
        let published = fleet.access().admin.file(crate::fleet::KIND, &name).await?;
        let is_same = published.file.current.content == content_of_file(&file)?;
        ensure!(is_same, "{name} was published with other bytes");
        std::fs::remove_file(file)?;
    }
    fleet.stop().await;
    row.print_medians();
    let mut met = true;
    for (name, goal) in GOALS {
        ensure!(shares.iter().any(|share: &Share| share.name == name), "no share called {name}");
        met &= row.judge(XYLEM, &[name], goal);
    }
    Ok(met)
}

/// Our own share.
struct Ours {
    url: String,
    ca: std::path::PathBuf,
    /// `USER:PASSWORD`.
    login: String,
}

async fn ours(fleet: &Fleet) -> anyhow::Result<Ours> {
    let login = format!("{USER}:{}", fleet.add_account(ROOT, USER).await?);
    let ours = Ours { url: fleet.url_of(ROOT)?, ca: fleet.ca_file(), login };
    // Found right once, as with everybody who writes more than one file.
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--request", "PROPFIND"]);
    curl.args(["--header", "Depth: 0", "--user", &ours.login, "--cacert"]).arg(&ours.ca);
    finish(curl.arg(format!("{}/Packages/", ours.url)), "curl --request PROPFIND")?;
    Ok(ours)
}

/// Writes a file, and syncs the copy where one is named. Gives the seconds that it took.
fn put(
    file: &Path,
    url: &str,
    ca: &Path,
    login: Option<&str>,
    copy: Option<&Path>,
) -> anyhow::Result<f64> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--http1.1", "--tls13-ciphers"]);
    curl.args(["TLS_AES_256_GCM_SHA384", "--output", "/dev/null", "--cacert"]).arg(ca);
    if let Some(login) = login {
        curl.args(["--user", login]);
    }
    curl.arg("--upload-file").arg(file).arg(url);
    let begun = Instant::now();
    finish(&mut curl, &format!("curl --upload-file … {url}"))?;
    if let Some(copy) = copy {
        let folder = copy.parent().context("a file is in a folder")?;
        finish(Command::new("sync").arg(copy).arg(folder), "sync")?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

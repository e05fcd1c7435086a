//! How fast a file gets into the cloud, next to `rclone`, and what memory it takes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::Request;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use xylem_bench::peak::peak_kib;
use xylem_bench::publish::write_random;
use xylem_client::empty_body;
use xylem_model::{ContentId, Priority};

use super::authority::HOST;
use super::ground::{Ground, path};
use super::rows::{PRESENT, present};
use super::seaweed::{BUCKET, KEY_ID, REGION, SECRET, Seaweed};
use super::store::Store as _;
use super::tools::clean;
use crate::pair::{ROOT, stage};
use crate::run::run;

/// The file that is sent.
const BYTES: u64 = 1 << 30;

/// Rounds, one of each in turn; an odd number has a median.
const ROUNDS: u64 = 5;

/// Least rate, as a multiple of that of `rclone`.
const LEAST: f64 = 0.9;

/// Most memory of the root and of the management server, in KiB, whatever they did before.
const MOST_KIB: u64 = 128 << 10;

/// How often it is asked whether it is there: one small answer without starting a program.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// How long one file may take.
const LIMIT: Duration = Duration::from_secs(600);

/// What is asked.
const FILES: &str = "/v1/cloud-distribution-point/files";

/// Sends files with ours and with `rclone`, in turn.
pub(super) fn speed() -> anyhow::Result<()> {
    stage(async |scratch| {
        let ground = Ground::lay(scratch, Seaweed::start).await?;
        // Nothing that counts is between: it would take part of what both of them have.
        ground.set_cloud(ground.store.port()).await?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            let file = ground.folder().join(format!("speed-{round}.dmg"));
            write_random(&file, 100 + round, BYTES)?;
            // Who begins finds other caches than who follows.
            let (our, their) = if round % 2 == 1 {
                let our = xylem(&ground, &file).await?;
                (our, rclone(&ground, &file)?)
            } else {
                let their = rclone(&ground, &file)?;
                (xylem(&ground, &file).await?, their)
            };
            fs::remove_file(&file)?;
            println!("CLOUD speed round={round} xylem_s={our:.2} rclone_s={their:.2}");
            ours.push(our);
            theirs.push(their);
        }
        let root = peak_kib(ground.fleet.pid(ROOT)?).context("the root has ended")?;
        let management = ground.fleet.server_pid().and_then(peak_kib);
        let management = management.context("the management server has ended")?;
        ground.fleet.stop().await;
        let (our, their) = (median(ours), median(theirs));
        let ratio = their / our;
        println!(
            "CLOUD speed provider=s3 bytes={BYTES} rounds={ROUNDS} xylem_s={our:.2} \
             rclone_s={their:.2} ratio={ratio:.3} root_kib={root} management_kib={management}"
        );
        ensure!(ratio >= LEAST, "it is {ratio:.3} times as fast as rclone");
        ensure!(root <= MOST_KIB, "the root took {root} KiB");
        ensure!(management <= MOST_KIB, "the management server took {management} KiB");
        Ok(())
    })
}

/// Publishes a file, and gives the seconds from then until it is offered from the cloud.
async fn xylem(ground: &Ground<Seaweed>, file: &Path) -> anyhow::Result<f64> {
    let published = ground.fleet.upload(file, Priority::Normal).await?;
    let end = published.answered + LIMIT;
    while !is_present(ground, &published.content).await? {
        ensure!(Instant::now() < end, "{} is not there after {LIMIT:?}", file.display());
        sleep(ASK_EVERY).await;
    }
    let seconds = published.answered.elapsed().as_secs_f64();
    // The command line says the same.
    present(&ground.fleet, &[published.content], ASK_EVERY * 100).await?;
    Ok(seconds)
}

/// Whether a content is present, by the administrator's interface.
async fn is_present(ground: &Ground<Seaweed>, content: &ContentId) -> anyhow::Result<bool> {
    let (access, token) = (ground.fleet.access(), fs::read_to_string(ground.fleet.token_file())?);
    let request = Request::get(FILES)
        .header(http::header::AUTHORIZATION, format!("Bearer {}", token.trim()))
        .body(empty_body())?;
    let mut body = access.transport.send(access.admin.server(), request).await?.into_body();
    let mut text = Vec::new();
    while let Some(piece) = body.next().await? {
        text.extend_from_slice(&piece);
    }
    let told: Value = serde_json::from_slice(&text)?;
    Ok(tells_present(&told, &content.to_string()))
}

/// Whether a row of this content with that state is anywhere in an answer.
fn tells_present(told: &Value, content: &str) -> bool {
    match told {
        Value::Array(list) => list.iter().any(|value| tells_present(value, content)),
        Value::Object(fields) => {
            let is =
                |name: &str, text: &str| fields.get(name).and_then(Value::as_str) == Some(text);
            (is("content", content) && is("state", PRESENT))
                || fields.values().any(|value| tells_present(value, content))
        }
        _ => false,
    }
}

/// Sends a file with `rclone`, in parts like ours, and gives the seconds.
fn rclone(ground: &Ground<Seaweed>, file: &Path) -> anyhow::Result<f64> {
    let config = ground.folder().join("rclone.conf");
    let text = format!(
        "[store]\ntype = s3\nprovider = Other\naccess_key_id = {KEY_ID}\n\
         secret_access_key = {SECRET}\nendpoint = https://{HOST}:{}\nregion = {REGION}\n\
         force_path_style = true\nno_check_bucket = true\n",
        ground.store.port()
    );
    fs::write(&config, text)?;
    let name = file.file_name().and_then(|name| name.to_str()).context("a file has a name")?;
    let target = format!("store:{BUCKET}/rclone/{name}");
    let command = |words: &[&str]| -> anyhow::Result<Command> {
        let mut command = clean(Command::new("rclone"));
        command.args(["--config", path(&config)?, "--ca-cert", path(&ground.authority.ca)?]);
        command.args(words);
        Ok(command)
    };
    let parts = ["--s3-chunk-size", "16M", "--s3-upload-concurrency", "4"];
    let words = [&["copyto", path(file)?, &target], &parts[..]].concat();
    let took = run(&mut command(&words)?)?.require("rclone copyto")?.took;
    run(&mut command(&["deletefile", &target])?)?.require("rclone deletefile")?;
    Ok(took.as_secs_f64())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_is_found_wherever_it_is() {
        let row = |state: &str| json!({ "content": "ab", "state": state });
        for told in [json!([row("present")]), json!({ "files": [row("wanted"), row("present")] })] {
            assert!(tells_present(&told, "ab") && !tells_present(&told, "cd"), "{told}");
        }
        assert!(!tells_present(&json!([row("verifying")]), "ab"));
    }
}

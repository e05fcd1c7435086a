//! Looking through what a distribution server holds.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use xylem_api::tree::DistributionServer;
use xylem_model::{ByteSize, ScrubFound, ScrubPass, Timestamp};

use crate::Failure;
use crate::access::Access;
use crate::output::Output;

/// How often an awaited pass is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Has a server look through everything; waits for the end where that is wanted.
pub(super) async fn run(
    name: &str,
    wait: Option<Duration>,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut server = access.admin.scrub(name).await?;
    let asked = server.scrub_asked;
    let Some(limit) = wait else {
        return output.value(&server, |server| {
            format!(
                "{} looks through everything it holds; `xylem ds show {}` says how far it is.\n",
                server.name, server.name
            )
        });
    };
    loop {
        if let Some(pass) = ended(&server, asked) {
            return output.value(&server, |server| format!("{}: {}\n", server.name, found(&pass)));
        }
        if begun.elapsed() >= limit {
            return Err(Failure::new(format!(
                "after {} s {name} is still looking ({}): it goes on by itself, see `xylem ds show \
                 {name}`",
                limit.as_secs(),
                current(&server)
            )));
        }
        sleep(LOOK_EVERY).await;
        server = access.admin.distribution_server(name).await?;
    }
}

/// The pass that was asked for then, or later, once it has ended.
fn ended(server: &DistributionServer, asked: Option<Timestamp>) -> Option<ScrubPass> {
    server.scrub.and_then(|scrub| scrub.last).filter(|last| last.asked >= asked)
}

/// How far the pass under way is.
pub(super) fn current(server: &DistributionServer) -> String {
    let Some(scrub) = server.scrub else { return "-".to_owned() };
    let heard = scrub.current.and_then(|pass| pass.asked).max(scrub.last.and_then(|it| it.asked));
    if server.scrub_asked > heard {
        return "asked for, not begun yet".to_owned();
    }
    match scrub.current {
        Some(pass) => {
            let percent = f64::from(pass.thousandths) / 10.0;
            format!("{percent:.1} %, since {}: {}", pass.begun, seen(&pass.found))
        }
        None => "-".to_owned(),
    }
}

/// What the last pass found.
pub(super) fn last(server: &DistributionServer) -> String {
    match server.scrub.and_then(|scrub| scrub.last) {
        Some(pass) => found(&pass),
        None => "-".to_owned(),
    }
}

fn found(pass: &ScrubPass) -> String {
    let ended = pass.ended.map(|at| at.to_string()).unwrap_or_default();
    format!("{ended}: {}", seen(&pass.found))
}

fn seen(found: &ScrubFound) -> String {
    let are = if found.files == 1 { "file is" } else { "files are" };
    let mut text = format!("{} {are} sound ({})", found.files, ByteSize(found.bytes));
    if found.damaged > 0 {
        text += &format!(", {} damaged: withdrawn and fetched again", found.damaged);
    }
    if found.unreadable > 0 {
        text += &format!(", {} unreadable: look after the disk", found.unreadable);
    }
    text
}

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
            let how_far = match is_heard(&server) {
                true => format!("is still looking ({}) and goes on by itself", current(&server)),
                false => {
                    "has not begun yet: see that it runs, and is not of an older release".into()
                }
            };
            return Err(Failure::new(format!(
                "after {} s {name} {how_far}; `xylem ds show {name}` says more",
                limit.as_secs()
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

/// Whether the pass that was asked for last has begun.
fn is_heard(server: &DistributionServer) -> bool {
    server.scrub.is_some_and(|scrub| scrub.heard >= server.scrub_asked)
}

/// How far the pass under way is.
pub(super) fn current(server: &DistributionServer) -> String {
    if server.scrub_asked.is_some() && !is_heard(server) {
        return "asked for, not begun yet".to_owned();
    }
    match server.scrub.and_then(|scrub| scrub.current) {
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
    let how_far = match pass.thousandths {
        1000 => String::new(),
        part => format!(" at {:.1} %, another was asked for", f64::from(part) / 10.0),
    };
    format!("{ended}{how_far}: {}", seen(&pass.found))
}

fn seen(found: &ScrubFound) -> String {
    let are = if found.files == 1 { "file is" } else { "files are" };
    let mut text = format!("{} {are} sound ({})", found.files, ByteSize(found.bytes));
    if found.damaged > 0 {
        text += &format!(
            ", {} damaged and withdrawn: `xylem package placement` says whether they are back",
            found.damaged
        );
    }
    if found.mended > 0 {
        text += &format!(", {} with a new outboard", found.mended);
    }
    if found.unreadable > 0 {
        text += &format!(", {} unreadable: look after the disk", found.unreadable);
    }
    text
}

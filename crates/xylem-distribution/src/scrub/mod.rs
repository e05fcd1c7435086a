//! Looking through everything that is held, before somebody needs it: `docs/design/scrub.md`.
//!
//! A copy that nobody has asked for in a year may be damaged all the same, and should be found so
//! while another server still has a sound one. What is found damaged is withdrawn, and from then on
//! is content that is wanted and not here: it is fetched again like any other.

mod pass;
mod record;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use xylem_blobs::BlobError;
use xylem_model::ContentId;
use xylem_runtime::Shutdown;
use xylem_telemetry::chain;

use crate::node::Node;
use pass::Pass;

pub(crate) use record::Scrubs;

/// The time in which everything is to have been looked at.
const PROMISED: Duration = Duration::from_secs(7 * 24 * 3600);

/// The longest wait without a look at what may have changed.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How often it is written down at most how far a pass is. After a crash so much is done again.
const KEEP_EVERY: Duration = Duration::from_secs(30);

/// Contents whose names are looked up together.
const AT_ONCE: usize = 256;

/// When the disk is asked again for what it did not give back: a cable or a controller may have
/// been away.
const SECOND_LOOK: Duration = Duration::from_secs(60);

/// Contents that a pass may find unreadable and still withdraw. With more it is the disk that has
/// gone, and taking everything away would only hide that.
const MOST_UNREADABLE: u64 = 16;

/// Looks through everything, pass after pass, until shutdown. A step that was begun is finished, so
/// that what it finds is told.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    while !shutdown.has_begun() {
        one_pass(&node, &shutdown).await;
    }
    keep(&node).await;
}

/// Whether a pass is to go on or to be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    /// Another pass was asked for, or the server stops.
    Leave,
}

async fn pause(node: &Node, shutdown: &Shutdown, span: Duration) -> Then {
    tokio::select! {
        () = sleep(span) => Then::GoOn,
        () = node.scrubs.asked() => Then::Leave,
        () = shutdown.begun() => Then::Leave,
    }
}

/// Goes on with the pass under way, or begins one.
async fn one_pass(node: &Arc<Node>, shutdown: &Shutdown) {
    node.scrubs.begin(node.now());
    keep(node).await;
    if node.scrubs.current().is_some_and(|pass| pass.asked.is_some()) {
        // Somebody waits to see it begin. Otherwise it is told with what there is to tell: a report
        // right at the start would name no copies yet.
        node.ledger.wake();
    }
    let mut kept = Instant::now();
    loop {
        node.scrubs.keep_to_clock(node.now());
        let Some(pass) = node.scrubs.current() else { return };
        // Listed anew after each wait: what came meanwhile has its place too.
        let contents = node.repository.list_after(pass.after.as_ref(), AT_ONCE);
        let wait = match contents.first() {
            Some(_) if is_held_up(node, &pass) => LOOK_EVERY,
            Some((next, _)) => pass.wait(next, node.now()),
            None => pass.left(node.now()),
        };
        if !wait.is_zero() {
            match pause(node, shutdown, wait.min(LOOK_EVERY)).await {
                Then::GoOn => continue,
                Then::Leave => return,
            }
        }
        if contents.is_empty() {
            return end(node, &pass).await;
        }
        let now = node.now();
        for copy in
            contents.into_iter().take_while(|(content, _)| pass.wait(content, now).is_zero())
        {
            if look_at(node, shutdown, copy, &mut kept).await == Then::Leave {
                return;
            }
        }
    }
}

/// Whoever works on the server's disk is left alone with it, unless a pass was asked for. What it
/// finds could not be fetched either.
fn is_held_up(node: &Node, pass: &Pass) -> bool {
    pass.asked.is_none() && node.access().is_some_and(|access| access.settings.maintenance)
}

async fn end(node: &Arc<Node>, pass: &Pass) {
    let now = node.now();
    if pass.asked.is_none() && now.since(pass.begun) > PROMISED {
        tracing::warn!(
            begun = %pass.begun,
            "it took more than a week to look through everything: the server was off, or its disk \
             is slow for what it holds"
        );
    }
    node.scrubs.end(now);
    node.ledger.wake();
    keep(node).await;
}

/// Looks at all of one content.
async fn look_at(
    node: &Arc<Node>,
    shutdown: &Shutdown,
    (content, size): (ContentId, u64),
    kept: &mut Instant,
) -> Then {
    let mut is_second_look = false;
    while let Some(pass) = node.scrubs.current() {
        let (offset, began) = (pass.offset(&content), Instant::now());
        let looked = node.repository.run_reading(move |r| r.scrub(&content, offset)).await;
        let rest = pass.rest(began.elapsed());
        let then = match looked {
            Err(error) if error.is_unreadable() && !is_second_look => {
                tracing::warn!(error = %chain(&error), "the disk does not answer; once more soon");
                is_second_look = true;
                pause(node, shutdown, SECOND_LOOK).await
            }
            Ok(step) => {
                node.scrubs.change(|pass| pass.note_sound(content, size, step));
                if step.mended || kept.elapsed() >= KEEP_EVERY {
                    keep(node).await;
                    *kept = Instant::now();
                }
                match (pause(node, shutdown, rest).await, step.next) {
                    (Then::GoOn, None) => return Then::GoOn,
                    (then, _) => then,
                }
            }
            Err(error) => {
                note_lost(node, content, error).await;
                return pause(node, shutdown, rest).await;
            }
        };
        if then == Then::Leave {
            return then;
        }
    }
    Then::Leave
}

/// Notes a copy that is not sound, and has fetched again what is lost.
async fn note_lost(node: &Arc<Node>, content: ContentId, error: BlobError) {
    let is_wanted = node.catalogue().wanted(&content).is_some();
    let is_gone = matches!(error, BlobError::NotFound { .. });
    if is_gone && !is_wanted {
        // It was removed meanwhile.
        return node.scrubs.change(|pass| pass.leave(content));
    }
    let is_damaged = matches!(error, BlobError::Corrupt { .. });
    node.scrubs.change(|pass| {
        match is_damaged {
            true => pass.found.damaged += 1,
            false => pass.found.unreadable += 1,
        }
        pass.leave(content);
    });
    if !is_damaged {
        // Of damage the repository has spoken itself.
        tracing::error!(package.digest = %content, error = %chain(&error), "a copy is lost");
    }
    let unreadable = node.scrubs.current().map_or(0, |pass| pass.found.unreadable);
    if error.is_unreadable() && unreadable <= MOST_UNREADABLE {
        withdraw(node, content).await;
    }
    if !node.repository.contains(&content) {
        node.note_lost(&content);
    }
    keep(node).await;
    node.ledger.wake();
}

/// Withdraws what the disk does not give back. Even where that fails it is not served any more.
async fn withdraw(node: &Arc<Node>, content: ContentId) {
    let withdrawn = node.repository.run_reading(move |r| r.withdraw(&content)).await;
    if let Err(error) = withdrawn {
        tracing::error!(package.digest = %content, error = %chain(&error), "it stays where it is");
    }
}

/// Writes down how far the passes are.
async fn keep(node: &Arc<Node>) {
    let target = Arc::clone(node);
    let kept = node.environment.disk.run(move |fs| target.scrubs.keep(fs, &target.folder)).await;
    if let Err(error) = kept {
        tracing::warn!(error = %chain(&error), "how far the scrub is was not written down");
    }
}

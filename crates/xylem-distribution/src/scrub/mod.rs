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
    node.ledger.wake();
    let mut kept = Instant::now();
    while let Some(pass) = node.scrubs.current() {
        let contents = node.repository.list_after(pass.after.as_ref(), AT_ONCE);
        if contents.is_empty() {
            let left = pass.left(node.now());
            if left.is_zero() {
                return end(node, &pass).await;
            }
            // What comes meanwhile may be due still.
            if pause(node, shutdown, left.min(LOOK_EVERY)).await == Then::Leave {
                return;
            }
        }
        for (content, size) in contents {
            if look_at(node, shutdown, (content, size), &mut kept).await == Then::Leave {
                return;
            }
        }
    }
}

async fn end(node: &Arc<Node>, pass: &Pass) {
    let now = node.now();
    if now.since(pass.begun) > PROMISED {
        tracing::warn!(
            begun = %pass.begun,
            "it took more than a week to look through everything: the disk is slow for what it holds"
        );
    }
    node.scrubs.end(now);
    node.ledger.wake();
    keep(node).await;
}

/// Waits until a content is due and looks at all of it.
async fn look_at(
    node: &Arc<Node>,
    shutdown: &Shutdown,
    (content, size): (ContentId, u64),
    kept: &mut Instant,
) -> Then {
    while let Some(pass) = node.scrubs.current() {
        let wait = pass.wait(&content, node.now());
        if !wait.is_zero() {
            match pause(node, shutdown, wait.min(LOOK_EVERY)).await {
                Then::GoOn => continue,
                Then::Leave => return Then::Leave,
            }
        }
        let (offset, began) = (pass.offset(&content), Instant::now());
        let looked = node.repository.run_reading(move |r| r.scrub(&content, offset)).await;
        let used = began.elapsed();
        let has_more = matches!(looked, Ok(Some(_)));
        note(node, content, size, looked).await;
        if kept.elapsed() >= KEEP_EVERY {
            keep(node).await;
            *kept = Instant::now();
        }
        let then = pause(node, shutdown, pass.rest(used)).await;
        if then == Then::Leave || !has_more {
            return then;
        }
    }
    Then::GoOn
}

/// Notes what a step has found, and has fetched again what is lost.
async fn note(
    node: &Arc<Node>,
    content: ContentId,
    size: u64,
    looked: Result<Option<u64>, BlobError>,
) {
    let error = match looked {
        Ok(next) => {
            node.scrubs.change(|pass| pass.note_sound(content, size, next));
            return;
        }
        // It was removed meanwhile.
        Err(BlobError::NotFound { .. }) => return node.scrubs.change(|pass| pass.leave(content)),
        Err(error) => error,
    };
    let is_damaged = matches!(error, BlobError::Corrupt { .. });
    node.scrubs.change(|pass| {
        match is_damaged {
            true => pass.found.damaged += 1,
            false => pass.found.unreadable += 1,
        }
        pass.leave(content);
    });
    tracing::error!(package.digest = %content, error = %chain(&error), "a copy is not sound");
    let unreadable = node.scrubs.current().map_or(0, |pass| pass.found.unreadable);
    let is_lost = is_damaged
        || (error.is_unreadable()
            && unreadable <= MOST_UNREADABLE
            && withdraw(node, content).await);
    if is_lost {
        node.note_lost(&content);
    }
    node.ledger.wake();
}

/// Withdraws what the disk does not give back. Says whether it is gone.
async fn withdraw(node: &Arc<Node>, content: ContentId) -> bool {
    let withdrawn = node.repository.run_reading(move |r| r.withdraw(&content)).await;
    withdrawn.unwrap_or_else(|error| {
        tracing::error!(package.digest = %content, error = %chain(&error), "it stays where it is");
        // Even then it is not served any more.
        true
    })
}

/// Writes down how far the passes are.
async fn keep(node: &Arc<Node>) {
    let target = Arc::clone(node);
    let kept = node.environment.disk.run(move |fs| target.scrubs.keep(fs, &target.folder)).await;
    if let Err(error) = kept {
        tracing::warn!(error = %chain(&error), "how far the scrub is was not written down");
    }
}

//! Waiting for content that is on its way here, instead of failing.
//!
//! Only other distribution servers wait: they ask for what they should hold as soon as they know
//! of it, which may be before this server has it, or even before it knows that it should. A wait
//! ends when there is something to begin with, when this server itself has failed to get it, and
//! after [`WAIT`].

use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, timeout_at};
use xylem_api::content::AT_ONCE;
use xylem_http::{ApiError, Peer};
use xylem_model::{ContentId, Party};

use super::authorize::{Permit, Served, authorize, served};
use crate::node::Node;

/// How long an answer is held back: shorter than a child waits for one, and shorter than common
/// proxies do.
pub(crate) const WAIT: Duration = Duration::from_secs(20);

/// The right to read a content, and what there is of it, once there is something.
///
/// # Errors
/// What the caller gets instead.
pub(crate) async fn wait_for(
    node: &Node,
    peer: &Peer,
    headers: &HeaderMap,
    content: &ContentId,
) -> Result<(Permit, Served), ApiError> {
    let end = Instant::now() + WAIT;
    let mut changes = None;
    loop {
        let waits = is_child(node, peer) && !is_at_once(headers);
        let error = match authorize(node, peer, headers, content) {
            Ok(permit) => match served(node, content, waits) {
                Ok(served) => return Ok((permit, served)),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if !waits || is_in_vain(node, content) {
            return Err(error);
        }
        match &mut changes {
            // Looked at once more after this, so that no change falls in between.
            None => changes = Some(Changes::of(node)),
            Some(changes) => {
                if !changes.before(end).await {
                    return Err(error);
                }
            }
        }
    }
}

/// Whether a caller wants to be told at once what is not here.
pub(crate) fn is_at_once(headers: &HeaderMap) -> bool {
    headers.get("prefer").is_some_and(|preference| preference == AT_ONCE)
}

/// Whether a caller is worth waiting with: a server to which something was granted here.
pub(crate) fn is_child(node: &Node, peer: &Peer) -> bool {
    let (Some(Party::DistributionServer(id)), Some(access)) = (peer.party(), node.access()) else {
        return false;
    };
    access.granted(&id).is_some() && !access.is_revoked(&Party::DistributionServer(id))
}

/// Whether content is not to be expected soon: another parent may have it.
pub(crate) fn is_in_vain(node: &Node, content: &ContentId) -> bool {
    node.ledger.has_failed(content)
}

/// Notices what may end a wait.
pub(crate) struct Changes {
    content: tokio::sync::watch::Receiver<u64>,
    wishes: tokio::sync::watch::Receiver<u64>,
    failures: tokio::sync::watch::Receiver<u64>,
}

impl Changes {
    /// From now on.
    pub(crate) fn of(node: &Node) -> Self {
        Self {
            content: node.repository.changes(),
            wishes: node.wishes.subscribe(),
            failures: node.ledger.failures(),
        }
    }

    /// Returns at the next change; whether there was one before the end.
    pub(crate) async fn before(&mut self, end: Instant) -> bool {
        let changed = async {
            tokio::select! {
                changed = self.content.changed() => changed.is_ok(),
                changed = self.wishes.changed() => changed.is_ok(),
                changed = self.failures.changed() => changed.is_ok(),
            }
        };
        timeout_at(end, changed).await.unwrap_or(false)
    }
}

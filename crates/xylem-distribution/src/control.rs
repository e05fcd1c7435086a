//! The control link: learning what is wanted.
//!
//! [`follow`] compares and takes over, over and over; [`watch`](super::watch) only wakes it. Both
//! can be stopped and started at any point: nothing depends on having seen an event.

use std::sync::Arc;
use std::time::Duration;

use xylem_api::control::ControlState;
use xylem_client::ClientError;
use xylem_model::{Epoch, Generation, Stamp};
use xylem_runtime::{Backoff, Shutdown};
use xylem_telemetry::chain;
use xylem_trust::{Descriptor, DescriptorId, TrustError, TrustStore};

use crate::data::DataError;
use crate::documents::{CheckedState, StateError, check_state};
use crate::manifest::{Change, Listing, SignedDescriptor};
use crate::node::Node;
use crate::{renewal, shown};

/// First and longest wait after a failure.
pub(crate) const RETRY: (Duration, Duration) =
    (Duration::from_millis(500), Duration::from_secs(60));

/// How often state and descriptors are asked for again when the catalogue moves between the two.
const MAX_ROUNDS: usize = 6;

/// Most pages of descriptors in one listing: a hundred thousand files in small pages fit.
const MAX_PAGES: usize = 10_000;

/// Why the newest state could not be taken over. The one before stays in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error("the management server cannot be asked")]
    Client(#[from] ClientError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the management server sent a descriptor that is not believed")]
    Descriptor(#[source] TrustError),
    #[error(
        "the descriptors that were sent are not those that the head of {stamp} names: something \
         was left out or added"
    )]
    Incomplete { stamp: Stamp },
    #[error("the list of descriptors does not end")]
    Endless,
    #[error("the new state cannot be written down")]
    Data(#[from] DataError),
}

/// Takes over the newest state, now and whenever it may have changed.
pub(crate) async fn follow(node: Arc<Node>, shutdown: Shutdown) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        let pause = tokio::select! {
            result = take_over(&node) => match result {
                Ok(()) => {
                    backoff.reset();
                    node.decided().check_in()
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the state before stays in force");
                    metrics::counter!("xylem_distribution_state_refused_total").increment(1);
                    backoff.next_wait(&*node.environment.rng).max(RETRY.0)
                }
            },
            () = shutdown.begun() => return,
        };
        let woken = async {
            node.resync.notified().await;
            if backoff.failures() > 0 {
                // Woken while something is wrong: not at once, or every event costs a failure.
                tokio::time::sleep(RETRY.0).await;
            }
        };
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(pause) => {}
            () = shutdown.begun() => return,
        }
    }
}

/// Asks for the newest state, checks all of it, and takes it over.
pub(crate) async fn take_over(node: &Arc<Node>) -> Result<(), FollowError> {
    let mut whole_set = false;
    let mut last = Stamp::default();
    for _ in 0..MAX_ROUNDS {
        let state = node.control.state().await?;
        let checked = Arc::new(check(node, &state).await?);
        node.scrubs.ask(state.scrub_asked);
        if let Some(told) = &state.authorities {
            renewal::follow(node, told).await;
        }
        node.set_public_url(state.public_url.clone());
        shown::follow(node, state.public_chain.as_deref()).await;
        last = checked.head.head.stamp;
        take_over_access(node, &checked).await?;
        let unchanged = Change::default();
        if agrees(node, &unchanged, &checked) {
            return take_over_wishes(node, unchanged, checked).await;
        }
        let since = if whole_set { Stamp::default() } else { node.catalogue().manifest.stamp() };
        let listing = list(node, &checked.trust, since, state.marks).await?;
        let change = Change::to(&node.catalogue().manifest, &listing);
        if agrees(node, &change, &checked) {
            return take_over_wishes(node, change, checked).await;
        }
        // Either the catalogue has moved on between the two questions, or the difference does not
        // lead where it should: then the whole set is asked for, once.
        if listing.stamp <= checked.head.head.stamp {
            if listing.full {
                break;
            }
            whole_set = true;
        }
    }
    Err(FollowError::Incomplete { stamp: last })
}

/// Whether the management server knows of marks on versions. One that was of before when its state
/// was taken over, perhaps by an earlier program here, may have been upgraded since: it is asked.
///
/// # Errors
/// Where it cannot be asked, and nothing is to be decided on what it was.
pub(crate) async fn knows_marks(node: &Node) -> Result<bool, ClientError> {
    if node.access().is_some_and(|access| access.marks) {
        return Ok(true);
    }
    let knows = node.control.state().await?.marks;
    if knows {
        node.resync.notify_one();
    }
    Ok(knows)
}

async fn check(node: &Arc<Node>, state: &ControlState) -> Result<CheckedState, StateError> {
    check_state(&node.trust(), state, node.id, node.seen(), node.now())
}

fn agrees(node: &Node, change: &Change, checked: &CheckedState) -> bool {
    node.catalogue().manifest.agrees_after(change, &checked.head.head)
}

async fn take_over_access(
    node: &Arc<Node>,
    checked: &Arc<CheckedState>,
) -> Result<(), FollowError> {
    let (target, checked) = (Arc::clone(node), Arc::clone(checked));
    node.environment.disk.run(move |fs| target.take_over_access(fs, &checked)).await?;
    node.work.notify_one();
    Ok(())
}

async fn take_over_wishes(
    node: &Arc<Node>,
    change: Change,
    checked: Arc<CheckedState>,
) -> Result<(), FollowError> {
    let catalogue_head = node.catalogue().manifest.head().map(|signed| signed.envelope.clone());
    if change.is_empty() && catalogue_head.as_ref() == Some(&checked.head.envelope) {
        return Ok(());
    }
    let stamp = checked.head.head.stamp;
    let (added, dropped) = (change.add.len(), change.drop.len());
    let target = Arc::clone(node);
    node.environment.disk.run(move |fs| target.take_over_wishes(fs, &change, &checked)).await?;
    tracing::info!(sync.generation = %stamp, added, dropped, "state taken over");
    node.ledger.wake();
    node.work.notify_one();
    Ok(())
}

/// Fetches and checks descriptors that changed after a stamp: all pages. With those that have a
/// mark, where the head counts them.
async fn list(
    node: &Arc<Node>,
    trust: &TrustStore,
    since: Stamp,
    marks: bool,
) -> Result<Listing, FollowError> {
    let mut listing = Listing::default();
    let mut from: (Epoch, Generation) = (since.epoch, since.generation);
    for page_number in 0..MAX_PAGES {
        let page = node.control.descriptors(from.0, from.1, marks).await?;
        if page_number == 0 {
            listing.full = page.full || since == Stamp::default();
        }
        let (trust, now, envelopes) = (trust.clone(), node.now(), page.descriptors);
        // Checking signatures is work, not waiting.
        let opened = node.environment.disk.run(move |_| open_all(&trust, envelopes, now)).await;
        listing.added.extend(opened.map_err(FollowError::Descriptor)?);
        listing.removed.extend(page.removed);
        listing.stamp = page.stamp;
        match page.next {
            None => return Ok(listing),
            Some(next) => from = (page.stamp.epoch, Generation(next)),
        }
    }
    Err(FollowError::Endless)
}

fn open_all(
    trust: &TrustStore,
    envelopes: Vec<xylem_trust::Envelope>,
    now: xylem_model::Timestamp,
) -> Result<Vec<SignedDescriptor>, TrustError> {
    envelopes
        .into_iter()
        .map(|envelope| {
            let descriptor = Arc::new(trust.open::<Descriptor>(&envelope, now)?);
            Ok(SignedDescriptor { id: DescriptorId::of(&envelope), envelope, descriptor })
        })
        .collect()
}

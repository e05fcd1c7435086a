//! What the management server wants done in the folder beside filling it: asking after objects,
//! listing, deleting, the test. It cannot reach this server, so this server asks, for as long as it
//! is the root and its configuration names a folder.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;
use xylem_api::control_folder::{FolderBytes, FolderDone, FolderErrand, TellFolder};
use xylem_api::error::ErrorCode;
use xylem_client::{empty_body, full_body};
use xylem_cloud::{Body, CloudAnswer};
use xylem_runtime::{Backoff, Shutdown};
use xylem_telemetry::chain;

use super::Keeper;
use crate::cloud::link::{RETRY, fills};
use crate::cloud::send::as_told;
use crate::ingest::final_word;
use crate::node::Node;

/// When a management server is asked again that knows of no folders: soon, since it is upgraded while
/// this server runs, and until then nothing of the point can be looked after or tested.
const ASK_ELSEWHERE_EVERY: Duration = Duration::from_secs(60);
/// How many questions wait for something to do: two, so that while what one brought is being done, to
/// its slowest, the other brings what is asked meanwhile before it counts as not taken.
const LANES: usize = 2;
/// The same where it does not answer this server now.
const ASK_REFUSED_EVERY: Duration = Duration::from_secs(30);

/// Does what is asked until shutdown.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    if node.settings.cloud_folder.is_none() {
        return;
    }
    tokio::select! {
        _ = join_all((0..LANES).map(|_| keep_on(&node))) => {}
        () = shutdown.begun() => {}
    }
}

async fn keep_on(node: &Arc<Node>) {
    let keeper = Keeper::of(node);
    let mut wishes = node.wishes.subscribe();
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let mut told = TellFolder::default();
    loop {
        if !fills(node) {
            // The sender is the node's own.
            let _ = wishes.changed().await;
            continue;
        }
        let pause = match node.control.cloud_folder(&told).await {
            Ok(asked) => {
                backoff.reset();
                told.done = join_all(asked.errands.into_iter().map(|it| done(&keeper, it))).await;
                continue;
            }
            Err(error) if final_word(&error).is_some() => {
                // Nobody there waits for it.
                told.done.clear();
                match error.code() {
                    // An older management server knows of no folders.
                    Some(ErrorCode::NotFound) => ASK_ELSEWHERE_EVERY,
                    _ => ASK_REFUSED_EVERY,
                }
            }
            // What was done is told again: somebody may wait for it still.
            Err(error) => {
                tracing::debug!(error = %chain(&error), "what is to be done in the folder cannot be asked");
                backoff.next_wait(&*node.environment.rng).max(RETRY.0)
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            _ = wishes.changed() => sleep(RETRY.0).await,
        }
    }
}

/// Does one errand.
async fn done(keeper: &Keeper, errand: FolderErrand) -> FolderDone {
    let id = errand.id;
    let answer = match as_told(errand.request, Body::None) {
        Ok(request) => {
            let body = errand.body.bytes().filter(|bytes| !bytes.is_empty());
            keeper.answer(&request, body.map_or_else(empty_body, full_body)).await.ok()
        }
        Err(_) => None,
    };
    match answer {
        Some(answer) => told_of(id, &answer),
        None => {
            let body = FolderBytes::new(b"this is no request");
            FolderDone { id, status: 400, headers: Vec::new(), body }
        }
    }
}

fn told_of(id: u64, answer: &CloudAnswer) -> FolderDone {
    let headers = answer.headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    FolderDone {
        id,
        status: answer.status,
        headers: headers.collect(),
        body: FolderBytes::new(&answer.body),
    }
}

//! Hearing at once that something changed.
//!
//! A stream of events is the best way: one connection, nothing sent while nothing happens. Some
//! proxies hold an answer back until it ends, and a stream never ends: nothing comes, and nothing
//! says so. So a stream counts only once its first event is here, which the management server
//! sends at once; until then, and whenever there is no stream, polls are held instead. Underneath,
//! [`follow`](crate::control::follow) asks by itself now and then.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::{sleep, timeout};
use xylem_api::control::StateChanged;
use xylem_client::{ClientError, ControlClient, Deadlines, EventStream};
use xylem_runtime::{Backoff, Shutdown};
use xylem_telemetry::chain;

use crate::control::RETRY;
use crate::node::Node;

/// How long the management server may hold back the answer to a poll, in seconds.
const LONG_POLL_SECONDS: u64 = 25;

/// Silence after which a stream of events counts as broken: more than two heartbeats, and less than
/// what a server may take to come to hold everything once nothing is wrong any more.
const EVENT_SILENCE: Duration = Duration::from_secs(40);

/// How long a stream may keep its first event back. A proxy that holds it back longer holds back
/// the whole stream, and keeps all of it in its memory.
const FIRST_EVENT_LIMIT: Duration = Duration::from_secs(10);

/// When a stream that was held back is tried again: proxies are changed by people.
const HELD_BACK_RETRY: Duration = Duration::from_secs(10 * 60);

/// The pause before a poll: time for a stream to come about first, and a bound on how often a
/// server is asked that answers each poll at once.
const POLL_PAUSE: Duration = Duration::from_secs(1);

/// Wakes the follower when the management server says that something changed.
pub(crate) async fn watch(node: Arc<Node>, shutdown: Shutdown) {
    let streaming = Sender::new(false);
    let watching = async {
        tokio::join!(keep_stream(&node, &streaming), keep_polling(&node, streaming.subscribe()))
    };
    tokio::select! {
        _ = watching => {}
        () = shutdown.begun() => {}
    }
}

/// Keeps a stream of events open, and tells whether there is one.
async fn keep_stream(node: &Node, streaming: &Sender<bool>) {
    let deadlines = Deadlines { stall: EVENT_SILENCE, ..Deadlines::default() };
    let transport = node.control.transport().with_deadlines(deadlines);
    let control = ControlClient::new(transport, node.control.server().clone());
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        let pause = match timeout(FIRST_EVENT_LIMIT, open(&control)).await {
            Ok(Ok(events)) => {
                backoff.reset();
                streaming.send_replace(true);
                // What happened before the stream was open has no event.
                node.resync.notify_one();
                let broken = follow_events(node, &control, events).await;
                streaming.send_replace(false);
                tracing::debug!(error = %chain(&broken), "the stream of events broke");
                backoff.next_wait(&*node.environment.rng)
            }
            Ok(Err(error)) => {
                tracing::debug!(error = %chain(&error), "no stream of events");
                backoff.next_wait(&*node.environment.rng)
            }
            Err(_) => {
                tracing::info!(
                    "something on the way to the management server holds its stream of events \
                     back; changes are heard of by held polls"
                );
                HELD_BACK_RETRY
            }
        };
        sleep(pause).await;
    }
}

/// Opens a stream and reads its first event.
async fn open(control: &ControlClient) -> Result<EventStream, ClientError> {
    let mut events = control.events().await?;
    match events.next::<StateChanged>().await? {
        Some(_) => Ok(events),
        None => Err(ended(control)),
    }
}

/// Reads events until the stream breaks, and says why it did.
async fn follow_events(
    node: &Node,
    control: &ControlClient,
    mut events: EventStream,
) -> ClientError {
    loop {
        match events.next::<StateChanged>().await {
            Ok(Some(changed)) => note_change(node, changed),
            Ok(None) => return ended(control),
            Err(error) => return error,
        }
    }
}

fn ended(control: &ControlClient) -> ClientError {
    let (server, reason) = (control.server().clone(), "the stream of events ended".to_owned());
    ClientError::Protocol { server, reason }
}

/// Holds polls while there is no stream.
async fn keep_polling(node: &Node, mut streaming: Receiver<bool>) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        // The sender lives as long as this does.
        let _ = streaming.wait_for(|is_there| !*is_there).await;
        sleep(POLL_PAUSE).await;
        if *streaming.borrow() {
            continue;
        }
        let polled = tokio::select! {
            polled = long_poll(node) => polled,
            _ = streaming.wait_for(|is_there| *is_there) => continue,
        };
        match polled {
            Ok(()) => backoff.reset(),
            Err(error) => {
                tracing::debug!(error = %chain(&error), "no held poll either");
                sleep(backoff.next_wait(&*node.environment.rng)).await;
            }
        }
    }
}

/// Asks once, and is answered when something changes or after some time.
async fn long_poll(node: &Node) -> Result<(), ClientError> {
    let (stamp, control) = (node.catalogue().manifest.stamp(), &node.control);
    let path = format!(
        "/v1/control/changes?wait={LONG_POLL_SECONDS}&epoch={}&since={}",
        stamp.epoch.0, stamp.generation.0
    );
    let request = Request::builder().uri(path);
    let changed = control.transport().json(control.server(), request, None::<&()>).await?;
    note_change(node, changed);
    Ok(())
}

fn note_change(node: &Node, changed: StateChanged) {
    if changed.stamp != node.catalogue().manifest.stamp() {
        node.resync.notify_one();
    }
}

//! From the first task to the last, or to a successor.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use xylem_runtime::{FolderLock, Shutdown};

use crate::handover::Counter;
use crate::node::Node;

/// How often it is looked whether all writing has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits for the end of all tasks, and for a successor that wants the port. Gives the lock back
/// where no successor has it.
pub(crate) async fn work(
    node: Arc<Node>,
    mut tasks: JoinSet<()>,
    counter: Option<Counter>,
    lock: FolderLock,
    shutdown: Shutdown,
) -> Option<FolderLock> {
    let asked = async {
        match &counter {
            Some(counter) => counter.asked().await,
            None => std::future::pending().await,
        }
    };
    let successor = tokio::select! {
        asked = asked => Some(asked),
        () = all_ended(&mut tasks, &shutdown) => None,
        () = shutdown.begun() => None,
    };
    if successor.is_some() {
        tracing::info!("another program takes over; answers in flight finish first");
        node.uploads.close();
        // Until then this program goes on accepting: an upload may be looked into for a while.
        until_no_uploads(&node).await;
        shutdown.retire();
    }
    // Also our second handle of the port: nobody is to wait there for us.
    drop(counter);
    all_ended(&mut tasks, &shutdown).await;
    // Whoever has the lock next is not to meet what nobody here waits for any more.
    while !node.environment.disk.is_idle() {
        sleep(LOOK_EVERY).await;
    }
    let Some(successor) = successor else { return Some(lock) };
    node.repository.give_up();
    drop(lock);
    successor.release();
    None
}

/// Returns once all tasks have ended. Where one is lost the server stops: half a server is worse
/// than one that its supervisor starts again.
async fn all_ended(tasks: &mut JoinSet<()>, shutdown: &Shutdown) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a task was lost; the server stops");
            shutdown.begin();
        }
    }
}

/// Returns once nobody works on any upload. None is begun any more.
async fn until_no_uploads(node: &Node) {
    while !node.uploads.are_idle() {
        sleep(LOOK_EVERY).await;
    }
}

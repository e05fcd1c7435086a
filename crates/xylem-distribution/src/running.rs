//! From the first task to the last, or to a successor.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use xylem_runtime::{FolderLock, Shutdown};

use crate::handover::Counter;
use crate::node::Node;

/// How often it is looked whether all writing has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long to wait for a moment at which no thread works on the disk. Answers read there too, so
/// on a slow disk there may be none; what writes is over by then.
const MOMENT: Duration = Duration::from_secs(10);

/// Waits for the end of all tasks, and for a successor that wants the port. Gives the lock back
/// where no successor has it.
pub(crate) async fn work(
    node: Arc<Node>,
    mut tasks: JoinSet<()>,
    counter: Option<(Counter, Arc<OwnedFd>)>,
    lock: FolderLock,
    shutdown: Shutdown,
) -> Option<FolderLock> {
    let mut successor = None;
    {
        let asked = async {
            match &counter {
                Some((counter, socket)) => counter.asked(socket).await,
                None => std::future::pending().await,
            }
        };
        let mut asked = std::pin::pin!(asked);
        loop {
            tokio::select! {
                asked = asked.as_mut(), if successor.is_none() => {
                    tracing::info!("another program takes over; answers in flight finish first");
                    successor = Some(asked);
                    node.uploads.close();
                    shutdown.retire();
                }
                ended = tasks.join_next() => match ended {
                    None => break,
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        // Half a server is worse than one that its supervisor starts again.
                        tracing::error!(%error, "a task was lost; the server stops");
                        shutdown.begin();
                    }
                },
            }
        }
    }
    // Also our second handle of the port: nobody is to wait there for us.
    drop(counter);
    let Some(successor) = successor else { return Some(lock) };
    quiet(&node).await;
    drop(lock);
    successor.release();
    None
}

/// Returns once nothing writes to the data folder any more.
async fn quiet(node: &Node) {
    while !node.uploads.are_idle() {
        sleep(LOOK_EVERY).await;
    }
    let moment = async {
        while !node.environment.disk.is_idle() {
            sleep(LOOK_EVERY).await;
        }
    };
    // Past its time only reading can be left: see there.
    let _ = timeout(MOMENT, moment).await;
}

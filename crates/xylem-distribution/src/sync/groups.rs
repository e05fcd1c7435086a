//! Small files that came in, by whichever streams, written and made durable in groups.
//!
//! While one group is made durable the next is written; it grows until its turn comes. So one lone
//! file waits for nobody, and thousands share their syncs, the more of them the slower the disk is.
//!
//! Whoever writes begins with the first stream and ends with the last: nothing has to be started or
//! stopped, and should it break, the next stream begins it anew.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use xylem_blobs::{Batch, BlobError, Repository};

use super::task::{Task, disk_reason};
use crate::node::Node;

/// Bytes of small files that may be in memory at once, over all streams.
const MEMORY_BYTES: usize = 16 << 20;

/// Most files that become durable together.
const GROUP_FILES: usize = 1024;

/// A group of so many bytes grows no further.
const GROUP_BYTES: u64 = 64 << 20;

/// A file that has come in. It counts against the memory for such files until it is written.
pub(super) struct Arrived {
    pub(super) task: Task,
    pub(super) bytes: Bytes,
    pub(super) memory: OwnedSemaphorePermit,
    pub(super) answers: Answers,
}

/// Where to say what became of the files of a stream.
pub(super) type Answers = mpsc::UnboundedSender<(Task, Settled)>;

/// What became of a file that came in.
#[derive(Debug)]
pub(super) enum Settled {
    Published,
    /// It is not wanted any more: its grace would begin only now.
    Unneeded,
    /// Another fetch is bringing it.
    Busy,
    /// It is not what was asked for.
    Foreign(String),
    /// Our own disk did not take it.
    Failed(String),
}

impl From<BlobError> for Settled {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Busy { .. } => Self::Busy,
            BlobError::ForeignBytes { .. } => Self::Foreign(error.to_string()),
            error => Self::Failed(disk_reason(&error)),
        }
    }
}

/// The groups of one server.
#[derive(Debug)]
pub(crate) struct Groups {
    memory: Arc<Semaphore>,
    entry: Mutex<Option<mpsc::WeakSender<Arrived>>>,
}

impl Default for Groups {
    fn default() -> Self {
        Self { memory: Arc::new(Semaphore::new(MEMORY_BYTES)), entry: Mutex::default() }
    }
}

impl Groups {
    /// Waits until there is memory for a file of so many bytes.
    pub(super) async fn memory_for(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.memory).acquire_many_owned(permits).await.ok()
    }

    /// Where files go that came in. While one of these is kept, somebody takes them.
    pub(super) fn open(&self, node: &Arc<Node>) -> mpsc::Sender<Arrived> {
        let mut entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner);
        let open = entry.as_ref().and_then(mpsc::WeakSender::upgrade);
        open.filter(|sender| !sender.is_closed()).unwrap_or_else(|| {
            let (sender, receiver) = mpsc::channel(GROUP_FILES);
            tokio::spawn(run(Arc::clone(node), receiver));
            *entry = Some(sender.downgrade());
            sender
        })
    }
}

async fn run(node: Arc<Node>, arrived: mpsc::Receiver<Arrived>) {
    // The publisher takes a group while it holds none: the place is free again once it is durable.
    let (sender, written) = mpsc::channel(1);
    tokio::join!(write_all(&node, arrived, sender), publish_all(&node, written));
}

/// A group and the place that it has at the publisher's.
type Placed = (Group, OwnedSemaphorePermit);

/// Checks and writes what comes, and hands the group over as soon as the last one is durable.
async fn write_all(
    node: &Arc<Node>,
    mut arrived: mpsc::Receiver<Arrived>,
    written: mpsc::Sender<Placed>,
) {
    let place = Arc::new(Semaphore::new(1));
    let mut group = Group::begin(&node.repository);
    let (mut came, mut is_over) = (Vec::new(), false);
    loop {
        tokio::select! {
            biased;
            Ok(placed) = Arc::clone(&place).acquire_owned(), if !group.is_empty() => {
                let grown = std::mem::replace(&mut group, Group::begin(&node.repository));
                if written.send((grown, placed)).await.is_err() {
                    return;
                }
            }
            count = arrived.recv_many(&mut came, GROUP_FILES), if !is_over && !group.is_full() => {
                is_over = count == 0;
                let (target, files) = (Arc::clone(node), std::mem::take(&mut came));
                group = node.repository.run(move |_| group.write(&target, files)).await;
            }
            else => return,
        }
    }
}

/// Publishes groups in the order in which they were written.
async fn publish_all(node: &Arc<Node>, mut written: mpsc::Receiver<Placed>) {
    while let Some((group, placed)) = written.recv().await {
        let target = Arc::clone(node);
        node.repository.run(move |_| group.publish(&target)).await;
        drop(placed);
    }
}

/// Files that are written and not yet durable.
struct Group {
    batch: Batch,
    files: Vec<(Task, Answers, Settled)>,
}

impl Group {
    fn begin(repository: &Repository) -> Self {
        Self { batch: repository.begin_batch(), files: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    fn is_full(&self) -> bool {
        self.files.len() >= GROUP_FILES || self.batch.bytes() >= GROUP_BYTES
    }

    fn write(mut self, node: &Node, came: Vec<Arrived>) -> Self {
        for Arrived { task, bytes, memory, answers } in came {
            let needed = node.catalogue().missing().contains_key(&task.content);
            let settled = if needed {
                let added = self.batch.add(&task.content, &bytes);
                added.map_or_else(Settled::from, |()| Settled::Published)
            } else {
                Settled::Unneeded
            };
            drop((bytes, memory));
            self.files.push((task, answers, settled));
        }
        self
    }

    /// Makes it durable, gives it names, and says what became of each file.
    fn publish(self, node: &Node) {
        let failed = self.batch.publish().err().map(|error| disk_reason(&error));
        for (task, answers, settled) in self.files {
            let settled = match (settled, &failed) {
                (Settled::Published, Some(reason)) => Settled::Failed(reason.clone()),
                (settled, _) => settled,
            };
            if matches!(settled, Settled::Published) {
                node.note_held(&task.content, true);
            }
            // Nobody listens where the fetch was given up.
            let _ = answers.send((task, settled));
        }
    }
}

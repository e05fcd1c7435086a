//! Small files of one class that came in, by whichever streams, written and made durable in groups.
//!
//! While one group is made durable the next is written; it grows until its turn comes. So one lone
//! file waits for nobody, and thousands share their syncs, the more of them the slower the disk is.
//!
//! Whoever writes is a task of the worker's, as the streams are: it ends with the worker, so that
//! nothing is written once a successor has the folder.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{Fuse, FusedFuture as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use xylem_blobs::{Batch, BlobError, Repository};

use super::task::{Task, disk_reason};
use crate::node::Node;

/// Bytes of files that may be in memory at once, over all streams of a class; of small files there
/// are two, the urgent and the others.
const MEMORY_BYTES: usize = 16 << 20;

/// Most files that become durable together.
const GROUP_FILES: usize = 1024;

/// A group of so many bytes takes no more files than are in memory already.
const GROUP_BYTES: u64 = 64 << 20;

/// A file that has come in. It counts against the memory for such files until it is written.
struct Arrived {
    task: Task,
    bytes: Bytes,
    memory: OwnedSemaphorePermit,
    answers: Answers,
}

/// Where to say what became of the files of a stream.
pub(super) type Answers = mpsc::UnboundedSender<(Task, Settled)>;

/// Whoever writes is gone; the log says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

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

/// The way to whoever writes and publishes. Clones lead to the same.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    memory: Arc<Semaphore>,
    entry: mpsc::Sender<Arrived>,
}

impl Groups {
    /// The way, and the work: that goes on while the worker keeps a way to it.
    pub(super) fn new(node: &Arc<Node>) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (groups, arrived) = Self::open();
        (groups, run(Arc::clone(node), arrived))
    }

    fn open() -> (Self, mpsc::Receiver<Arrived>) {
        let (entry, arrived) = mpsc::channel(GROUP_FILES);
        (Self { memory: Arc::new(Semaphore::new(MEMORY_BYTES)), entry }, arrived)
    }

    /// Hands a file over, as soon as there is memory for it.
    ///
    /// # Errors
    /// Where nobody takes it.
    pub(super) async fn add(
        &self,
        task: Task,
        bytes: Bytes,
        answers: &Answers,
    ) -> Result<(), Broken> {
        let permits = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let memory = Arc::clone(&self.memory).acquire_many_owned(permits).await;
        let memory = memory.map_err(|_| Broken)?;
        let arrived = Arrived { task, bytes, memory, answers: answers.clone() };
        self.entry.send(arrived).await.map_err(|_| Broken)
    }

    /// Whether nobody takes files any more.
    pub(super) fn are_broken(&self) -> bool {
        self.entry.is_closed()
    }
}

/// Checks and writes what comes. One group is published while the next grows.
async fn run(node: Arc<Node>, mut arrived: mpsc::Receiver<Arrived>) {
    let (mut group, mut came) = (Group::begin(&node.repository), Vec::new());
    let mut publishing = pin!(Fuse::terminated());
    loop {
        if publishing.is_terminated() && !group.is_empty() {
            let grown = std::mem::replace(&mut group, Group::begin(&node.repository));
            let target = Arc::clone(&node);
            publishing.set(node.repository.run(move |_| grown.publish(&target)).fuse());
        }
        tokio::select! {
            // What is to be published begins before more is waited for.
            biased;
            () = &mut publishing => {}
            count = arrived.recv_many(&mut came, group.room()), if group.room() > 0 => {
                if count == 0 {
                    // The worker is gone, and with it all who would hear.
                    return;
                }
                let (target, files) = (Arc::clone(&node), std::mem::take(&mut came));
                group = node.repository.run(move |_| group.write(&target, files)).await;
            }
        }
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

    /// How many more files it takes.
    fn room(&self) -> usize {
        match self.batch.bytes() {
            0..GROUP_BYTES => GROUP_FILES.saturating_sub(self.files.len()),
            _ => 0,
        }
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

#[cfg(test)]
mod tests {
    use xylem_model::ContentId;
    use xylem_sync::Class;

    use super::*;

    #[tokio::test]
    async fn whoever_brings_a_file_that_nobody_takes_hears_of_it() {
        let (groups, mut arrived) = Groups::open();
        let (answers, _settled) = mpsc::unbounded_channel();
        let task = Task { content: ContentId::of(b"abc"), size: 3, class: Class::Small };
        let add = || groups.add(task, Bytes::from_static(b"abc"), &answers);
        add().await.unwrap();
        assert_eq!(groups.memory.available_permits(), MEMORY_BYTES - 3);
        drop(arrived.recv().await);
        assert_eq!(groups.memory.available_permits(), MEMORY_BYTES);
        assert!(!groups.are_broken());
        drop(arrived);
        assert_eq!(add().await, Err(Broken));
        assert!(groups.are_broken());
    }
}

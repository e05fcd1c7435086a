//! A runtime for each core, for servers that give away many bytes.
//!
//! A connection stays on one thread for its life: what it reads, proves and encrypts stays in one
//! core's cache, and nobody wakes another thread for it.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Threads of each for what waits for the disk. More at once would not make it faster.
const BLOCKING_THREADS: usize = 32;

/// How long blocking work may go on once a runtime ends.
const END: Duration = Duration::from_secs(5);

/// Threads that serve connections, each with a runtime of its own. None at first: they are started
/// with the first connection.
pub(crate) struct Workers {
    wanted: usize,
    running: Vec<Worker>,
}

struct Worker {
    runtime: Handle,
    /// Held by every connection too.
    load: Arc<()>,
    /// Dropped to end it.
    _end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Workers {
    /// So many threads; with none, connections are served by the runtime that accepts them.
    pub(crate) const fn new(wanted: usize) -> Self {
        Self { wanted, running: Vec::new() }
    }

    /// Has the thread with the fewest connections serve this one.
    pub(crate) fn spawn<F>(&mut self, tasks: &mut JoinSet<()>, connection: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        while self.running.len() < self.wanted {
            match Worker::start(self.running.len()) {
                Ok(worker) => self.running.push(worker),
                Err(error) => {
                    tracing::warn!(%error, "a thread cannot be started; fewer serve");
                    self.wanted = self.running.len();
                }
            }
        }
        let idlest = self.running.iter().min_by_key(|worker| Arc::strong_count(&worker.load));
        match idlest {
            Some(worker) => {
                let load = Arc::clone(&worker.load);
                let serving = async move {
                    connection.await;
                    drop(load);
                };
                tasks.spawn_on(serving, &worker.runtime);
            }
            None => {
                tasks.spawn(connection);
            }
        }
    }

    /// Ends all threads, and returns once they have ended.
    pub(crate) async fn end(self) {
        let threads: Vec<_> = self.running.into_iter().map(Worker::end).collect();
        let waiting = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a serving thread ended in a panic");
                }
            }
        });
        // Only a runtime that ends itself gives up on this.
        let _ = waiting.await;
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name(format!("serve-{number}"));
        let thread = thread.spawn(move || {
            // An error says that the other half is gone, which is the sign.
            let _ = runtime.block_on(ended);
            runtime.shutdown_timeout(END);
        })?;
        Ok(Self { runtime: handle, load: Arc::new(()), _end: end, thread })
    }

    /// Has it end; gives what to wait for.
    fn end(self) -> JoinHandle<()> {
        self.thread
    }
}

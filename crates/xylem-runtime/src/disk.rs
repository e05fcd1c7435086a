//! The file system, reached from async code.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fs::{Fs, RealFs};

/// A machine's file system, and how to wait for it from async code.
#[derive(Debug, Clone)]
pub struct Disk {
    fs: Arc<dyn Fs>,
    in_place: bool,
    /// Held by each piece of work under way.
    working: Arc<AtomicUsize>,
}

/// One piece of work under way.
struct Working(Arc<AtomicUsize>);

impl Working {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Disk {
    /// The real file system, reached from blocking threads.
    pub fn real() -> Self {
        Self { fs: Arc::new(RealFs), in_place: false, working: Arc::default() }
    }

    /// A file system whose calls run on the thread that asks: for simulation.
    pub fn in_place(fs: Arc<dyn Fs>) -> Self {
        Self { fs, in_place: true, working: Arc::default() }
    }

    /// The file operations, for code that already runs on a blocking thread.
    pub fn fs(&self) -> &dyn Fs {
        &*self.fs
    }

    /// Whether no work is under way, also none whose caller has stopped waiting for it.
    pub fn is_idle(&self) -> bool {
        self.working.load(Ordering::SeqCst) == 0
    }

    /// Runs blocking work on the file system without holding up other tasks.
    ///
    /// The work runs to its end even when the caller stops waiting for it.
    pub async fn run<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&dyn Fs) -> T + Send + 'static,
    {
        let working = Working::begin(&self.working);
        // A result that nobody waits for any more may touch the disk when it is dropped: what goes
        // first in a pair is dropped first, so that counts too.
        let (result, _working) = self.run_reading(move |fs| (work(fs), working)).await;
        result
    }

    /// The same for work that writes nothing: it does not count for [`is_idle`](Self::is_idle).
    pub async fn run_reading<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&dyn Fs) -> T + Send + 'static,
    {
        if self.in_place {
            return work(&*self.fs);
        }
        let fs = Arc::clone(&self.fs);
        match tokio::task::spawn_blocking(move || work(&*fs)).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that is being shut down cancels blocking work; then nobody
                // is left to read a result.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_on_the_disk_gives_its_result_back() {
        let exists = Disk::real().run(|fs| fs.exists(Path::new("/"))).await.unwrap();
        assert!(exists);
    }

    /// Says, when it is dropped, whether the disk is idle then.
    struct Remains(Disk, mpsc::Sender<bool>);

    impl Drop for Remains {
        fn drop(&mut self) {
            let _ = self.1.send(self.0.is_idle());
        }
    }

    #[tokio::test]
    async fn what_is_dropped_because_nobody_waits_for_it_counts() {
        let disk = Disk::real();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let (sender, was_idle) = mpsc::channel();
        let waiting = tokio::spawn({
            let disk = disk.clone();
            async move {
                let target = disk.clone();
                let work = move |_: &dyn Fs| {
                    let _ = begun.send(());
                    let _ = may_go_on.recv();
                    Remains(target, sender)
                };
                disk.run(work).await
            }
        });
        has_begun.await.unwrap();
        waiting.abort();
        assert!(waiting.await.is_err());
        assert!(!disk.is_idle());
        go_on.send(()).unwrap();
        assert!(!was_idle.recv().unwrap());
        while !disk.is_idle() {
            tokio::task::yield_now().await;
        }
    }
}

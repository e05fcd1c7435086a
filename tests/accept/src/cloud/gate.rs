//! A port of this machine through which everything passes as it is, counted.
//!
//! It ends no TLS and changes nothing: what lies behind it is the server itself. It has a thread of
//! its own, so that it goes on while a part waits for a command.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// From how many bytes on a connection is one that content goes over: questions are smaller.
const LARGE_BYTES: u64 = 4 << 20;

/// And how many come at once at least: so a question that goes over the same connection is none.
const LEAST_READ: usize = 4 << 10;

/// Bytes that are passed on at once.
const BLOCK_BYTES: usize = 256 << 10;

/// The port. It is closed when this is dropped, with all that passes.
#[derive(Debug)]
pub(super) struct Gate {
    /// Where it is.
    pub(super) port: u16,
    counts: Arc<Counts>,
    runtime: Option<Runtime>,
}

/// What passed.
#[derive(Debug)]
struct Counts {
    began: Instant,
    sent: AtomicU64,
    /// When the last byte of content passed, in milliseconds since it began.
    last_content_ms: AtomicU64,
}

impl Gate {
    /// Opens a gate to another port of this machine.
    pub(super) fn to(port: u16) -> anyhow::Result<Self> {
        let runtime = own_runtime()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let near = listener.local_addr()?.port();
        let counts = Arc::new(Counts {
            began: Instant::now(),
            sent: AtomicU64::new(0),
            last_content_ms: AtomicU64::new(0),
        });
        let counting = Arc::clone(&counts);
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((near, _)) = listener.accept().await {
                let counting = Arc::clone(&counting);
                // What breaks is the connection of somebody who was killed.
                tokio::spawn(async move { pass(near, port, &counting).await });
            }
        });
        Ok(Self { port: near, counts, runtime: Some(runtime) })
    }

    /// Bytes that were sent to the server so far, with all headers and what TLS adds.
    pub(super) fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::Relaxed)
    }

    /// When the last byte was sent over a connection that content went over.
    pub(super) fn last_content(&self) -> Instant {
        let after = self.counts.last_content_ms.load(Ordering::Relaxed);
        self.counts.began + Duration::from_millis(after)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A runtime with one thread, beside the one that a part runs on.
pub(super) fn own_runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

async fn pass(near: TcpStream, port: u16, counts: &Counts) -> io::Result<()> {
    let far = TcpStream::connect(("127.0.0.1", port)).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let up = async {
        let (mut block, mut passed) = (vec![0; BLOCK_BYTES], 0);
        loop {
            let read = from_near.read(&mut block).await?;
            if read == 0 {
                return to_far.shutdown().await;
            }
            to_far.write_all(block.get(..read).unwrap_or_default()).await?;
            passed += read as u64;
            counts.sent.fetch_add(read as u64, Ordering::Relaxed);
            if passed >= LARGE_BYTES && read >= LEAST_READ {
                let now = u64::try_from(counts.began.elapsed().as_millis()).unwrap_or(u64::MAX);
                counts.last_content_ms.fetch_max(now, Ordering::Relaxed);
            }
        }
    };
    let down = async {
        tokio::io::copy(&mut from_far, &mut to_near).await?;
        to_near.shutdown().await
    };
    tokio::try_join!(up, down)?;
    Ok(())
}

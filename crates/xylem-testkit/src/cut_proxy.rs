//! A wire that can be cut.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the one who connects.
    Up,
    /// To the one who connects.
    Down,
}

/// Passes TCP connections on to an address, and cuts them all once a number of bytes has passed.
/// Afterwards it passes connections on again, until it is set again.
pub struct CutProxy {
    address: SocketAddr,
    wire: Arc<Wire>,
}

struct Wire {
    to: Mutex<String>,
    /// Bytes until the cut, for each direction; negative: never.
    until_cut: [AtomicI64; 2],
    /// Bytes passed, for each direction.
    passed: [AtomicU64; 2],
    cut: Notify,
}

impl CutProxy {
    /// A wire to an address, not to be cut yet.
    pub async fn to(address: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Arc::new(Wire {
            to: Mutex::new(address.into()),
            until_cut: [AtomicI64::new(-1), AtomicI64::new(-1)],
            passed: [AtomicU64::new(0), AtomicU64::new(0)],
            cut: Notify::new(),
        });
        let address = listener.local_addr().unwrap();
        tokio::spawn({
            let wire = Arc::clone(&wire);
            async move {
                while let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(Arc::clone(&wire).connect(near));
                }
            }
        });
        Self { address, wire }
    }

    /// Where it listens: `https://…`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Leads to another address from now on, as a name does that is given to another machine. What is
    /// connected stays so.
    pub fn lead_to(&self, address: impl Into<String>) {
        *self.wire.to.lock().unwrap_or_else(PoisonError::into_inner) = address.into();
    }

    /// Cuts everything once this many more bytes have gone this way.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap();
        self.wire.until_cut[direction as usize].store(bytes, Ordering::SeqCst);
    }

    /// Returns when the wire has been cut.
    pub async fn was_cut(&self) {
        self.wire.cut.notified().await;
    }

    /// Bytes that have gone this way so far.
    pub fn passed(&self, direction: Direction) -> u64 {
        self.wire.passed[direction as usize].load(Ordering::SeqCst)
    }
}

impl Wire {
    async fn connect(self: Arc<Self>, near: TcpStream) {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Ok(far) = TcpStream::connect(to).await else { return };
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        // When one way ends or is cut, both do: dropping the halves closes the connection.
        tokio::select! {
            () = self.pass(Direction::Up, near_read, far_write) => {}
            () = self.pass(Direction::Down, far_read, near_write) => {}
        }
    }

    async fn pass(
        &self,
        direction: Direction,
        mut from: tokio::net::tcp::OwnedReadHalf,
        mut to: tokio::net::tcp::OwnedWriteHalf,
    ) {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
            let left = &self.until_cut[direction as usize];
            let before = left.load(Ordering::SeqCst);
            if before >= 0 {
                let now = before - i64::try_from(read).unwrap();
                left.store(now.max(-1), Ordering::SeqCst);
                if now <= 0 {
                    left.store(-1, Ordering::SeqCst);
                    self.cut.notify_one();
                    return;
                }
            }
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
            self.passed[direction as usize].fetch_add(read as u64, Ordering::SeqCst);
        }
    }
}

//! A relay that lies: it has the parent's own key, and flips one bit of what it passes on.
//!
//! Our programs have no switch that makes them lie, so the lie is told by somebody who holds what
//! a parent holds. Towards the child it shows the parent's certificate; towards the parent it shows
//! the child's, so that the parent's grants hold.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use xylem_bench::room::Host;
use xylem_pki::{ClientAuth, Identity, IdentityStore, TrustAnchors, client_config, server_config};
use xylem_runtime::{Environment, RealFs};

/// Bytes passed on at a time.
const BLOCK_BYTES: usize = 64 << 10;

/// What is needed to stand in a parent's place.
pub(super) struct Relay {
    /// The parent's host.
    pub(super) host: Host,
    /// Where the child believes the parent to be.
    pub(super) public: u16,
    /// Where the parent really listens.
    pub(super) listen: u16,
    /// The data folders of parent and child.
    pub(super) parent: PathBuf,
    pub(super) child: PathBuf,
    /// Which of all bytes that go to the child has a bit flipped.
    pub(super) flip_at: u64,
}

/// What a relay has seen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// When it flipped the bit.
    pub(super) flipped: Option<Instant>,
    /// When it last handed bytes to the child after that.
    pub(super) last_sent: Option<Instant>,
    /// Bytes handed to the child in all.
    pub(super) sent: u64,
}

/// A relay on a thread of its own; it ends when this is dropped.
pub(super) struct Running {
    seen: Arc<Mutex<Seen>>,
    /// The relay ends when the other side of this is gone.
    _end: oneshot::Sender<()>,
}

impl Running {
    pub(super) fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both ends of one relay's TLS.
#[derive(Clone)]
struct Ends {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    name: ServerName<'static>,
    listen: u16,
}

impl Relay {
    /// Begins to listen and to relay.
    pub(super) fn start(self) -> anyhow::Result<Running> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (end, ended) = oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let ends = self.ends()?;
        let (host, public, flip_at, noted) = (self.host, self.public, self.flip_at, seen.clone());
        std::thread::spawn(move || {
            let done = host.inside(async || {
                let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, public)).await?;
                ready.send(())?;
                tokio::select! {
                    done = accept(listener, ends, noted, flip_at) => done,
                    _ = ended => Ok(()),
                }
            });
            if let Err(error) = done {
                println!("the relay ended: {error:#}");
            }
        });
        is_ready.recv().context("the relay does not listen")?;
        Ok(Running { seen, _end: end })
    }

    fn ends(&self) -> anyhow::Result<Ends> {
        let clock = Environment::real().clock;
        let (parent, anchors) = identity(&self.parent)?;
        let (child, _) = identity(&self.child)?;
        let to_child = server_config(&parent, &anchors, clock.clone(), ClientAuth::Optional)?;
        let to_parent = client_config(&anchors, Some(&child), clock)?;
        Ok(Ends {
            acceptor: TlsAcceptor::from(to_child),
            connector: TlsConnector::from(to_parent),
            name: ServerName::from(IpAddr::from(self.host.address())),
            listen: self.listen,
        })
    }
}

fn identity(data: &Path) -> anyhow::Result<(Identity, TrustAnchors)> {
    Ok(IdentityStore::new(data.join("identity")).load(&RealFs)?)
}

async fn accept(
    listener: TcpListener,
    ends: Ends,
    seen: Arc<Mutex<Seen>>,
    flip_at: u64,
) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let (ends, seen) = (ends.clone(), seen.clone());
        // A connection that breaks is the child's affair: that is what is being looked at.
        tokio::spawn(async move { relay(stream, ends, &seen, flip_at).await });
    }
}

async fn relay(
    stream: TcpStream,
    ends: Ends,
    seen: &Mutex<Seen>,
    flip_at: u64,
) -> anyhow::Result<()> {
    let child = ends.acceptor.accept(stream).await?;
    let parent = TcpStream::connect((Ipv4Addr::LOCALHOST, ends.listen)).await?;
    let parent = ends.connector.connect(ends.name, parent).await?;
    let (mut from_child, mut to_child) = tokio::io::split(child);
    let (mut from_parent, mut to_parent) = tokio::io::split(parent);
    tokio::select! {
        copied = tokio::io::copy(&mut from_child, &mut to_parent) => copied.map(drop)?,
        lied = lie(&mut from_parent, &mut to_child, seen, flip_at) => lied?,
    }
    Ok(())
}

/// Passes bytes on, one bit of which is another.
async fn lie(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    seen: &Mutex<Seen>,
    flip_at: u64,
) -> anyhow::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let read = from.read(&mut block).await?;
        let Some(bytes) = block.get_mut(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(to.shutdown().await?);
        };
        flip(bytes, &mut seen.lock().unwrap_or_else(PoisonError::into_inner), flip_at);
        to.write_all(bytes).await?;
        to.flush().await?;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.flipped.is_some() {
            seen.last_sent = Some(Instant::now());
        }
    }
}

/// Counts bytes that are about to be sent, and flips one bit the first time that the count passes
/// `flip_at`.
fn flip(bytes: &mut [u8], seen: &mut Seen, flip_at: u64) {
    seen.sent += bytes.len() as u64;
    if seen.flipped.is_none()
        && seen.sent > flip_at
        && let Some(byte) = bytes.last_mut()
    {
        *byte ^= 1;
        seen.flipped = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_is_flipped_once() {
        let mut seen = Seen::default();
        let mut blocks = [[0_u8; 4]; 4];
        for block in &mut blocks {
            flip(block, &mut seen, 7);
        }
        assert_eq!(blocks, [[0; 4], [0, 0, 0, 1], [0; 4], [0; 4]]);
        assert_eq!(seen.sent, 16);
    }
}

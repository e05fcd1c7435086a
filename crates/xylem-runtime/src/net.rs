//! Listening and connecting.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection: bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens TCP connections and ports.
#[async_trait]
pub trait Net: Send + Sync + std::fmt::Debug {
    /// Opens a port; port 0 lets the system choose.
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>>;

    /// Connects to a host name or address. Has no time limit of its own: the caller sets one.
    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>>;

    /// The addresses that a host name or address stands for. Has no time limit of its own. A
    /// network that looks names up in its own way, a simulated one, knows addresses alone.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match host.parse::<IpAddr>() {
            Ok(address) => Ok(vec![SocketAddr::new(address, port)]),
            Err(_) => {
                let why = format!("the name `{host}` cannot be looked up here");
                Err(io::Error::new(io::ErrorKind::Unsupported, why))
            }
        }
    }
}

/// A connection that came in, not yet bound to the thread that serves it.
pub enum Accepted {
    /// The system's: any runtime may serve it.
    Socket(std::net::TcpStream),
    /// Served where it was accepted: a simulated one.
    Stream(Box<dyn Stream>),
}

impl Accepted {
    /// Has the present runtime serve it.
    ///
    /// # Errors
    /// When the system refuses to watch it.
    pub fn open(self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Socket(socket) => Ok(Box::new(tokio::net::TcpStream::from_std(socket)?)),
            Self::Stream(stream) => Ok(stream),
        }
    }
}

/// An open port.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Waits for the next connection and says where it comes from.
    async fn accept(&self) -> io::Result<(Accepted, SocketAddr)>;

    /// The address it listens on, with the port the system chose.
    fn local_address(&self) -> io::Result<SocketAddr>;

    /// The system's socket, to be handed to another process; a simulated port has none.
    fn os_socket(&self) -> Option<io::Result<OwnedFd>> {
        None
    }
}

/// The machine's network.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealNet;

#[async_trait]
impl Net for RealNet {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(tokio::net::TcpListener::bind(address).await?))
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        let stream = tokio::net::TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

#[async_trait]
impl Listener for tokio::net::TcpListener {
    async fn accept(&self) -> io::Result<(Accepted, SocketAddr)> {
        let (stream, peer) = tokio::net::TcpListener::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((Accepted::Socket(stream.into_std()?), peer))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn os_socket(&self) -> Option<io::Result<OwnedFd>> {
        Some(self.as_fd().try_clone_to_owned())
    }
}

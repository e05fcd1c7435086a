//! The accept loop.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use xylem_runtime::{Accepted, Environment, Listener, Shutdown};

use crate::Limits;
use crate::access_log::AccessLog;
use crate::connection::Connection;
use crate::handler::Handler;
use crate::turnstile::Turnstile;
use crate::workers::Workers;

/// How long to rest when the system refuses a connection, e.g. for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {advice}")]
pub struct ListenError {
    address: SocketAddr,
    advice: &'static str,
    #[source]
    source: io::Error,
}

/// An open port with TLS.
pub struct HttpServer {
    listener: Box<dyn Listener>,
    tls: TlsAcceptor,
    limits: Limits,
    workers: Workers,
    log: Option<AccessLog>,
}

impl HttpServer {
    /// Opens the port.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn listen(
        environment: &Environment,
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        limits: Limits,
    ) -> Result<Self, ListenError> {
        let listener = environment.net.listen(address).await.map_err(|source| {
            let advice = match source.kind() {
                io::ErrorKind::AddrInUse => {
                    "another program uses this port: stop it, or give another port with --listen"
                }
                io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE: give a \
                     higher port with --listen"
                }
                io::ErrorKind::AddrNotAvailable => {
                    "this machine does not have that address: check --listen"
                }
                _ => "the system refused",
            };
            ListenError { address, advice, source }
        })?;
        Ok(Self::on(listener, tls, limits))
    }

    /// Uses a port that is open already.
    pub fn on(listener: Box<dyn Listener>, tls: Arc<ServerConfig>, limits: Limits) -> Self {
        let (tls, workers) = (TlsAcceptor::from(tls), Workers::new(0));
        Self { listener, tls, limits, workers, log: None }
    }

    /// Writes a line for each answer.
    pub fn with_access_log(self, log: AccessLog) -> Self {
        Self { log: Some(log), ..self }
    }

    /// The system's socket, to be handed to another process; a simulated port has none.
    pub fn os_socket(&self) -> Option<io::Result<OwnedFd>> {
        self.listener.os_socket()
    }

    /// Serves connections by so many threads of their own, instead of by the runtime that accepts
    /// them: for servers that give away many bytes. Simulated connections stay where they are.
    pub fn with_threads(self, threads: usize) -> Self {
        Self { workers: Workers::new(threads), ..self }
    }

    /// The address it listens on, with the port the system chose.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_address()
    }

    /// Answers requests until shutdown begins; then lets answers in flight finish: for as long as
    /// they take when this server [retires](Shutdown::retire), else for at most [`Limits::drain`].
    pub async fn serve<H: Handler>(mut self, handler: H, shutdown: Shutdown) {
        let turnstile = Turnstile::new(&self.limits);
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.begun() => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((accepted, address)) => {
                    // Without a place the stream is dropped here, which closes it.
                    if let Some(place) = turnstile.enter(address.ip()) {
                        let connection = Connection {
                            address,
                            tls: self.tls.clone(),
                            limits: self.limits.clone(),
                            handler: handler.clone(),
                            log: self.log.clone(),
                            shutdown: shutdown.clone(),
                            place,
                        };
                        if matches!(accepted, Accepted::Stream(_)) {
                            connections.spawn(connection.run(accepted));
                        } else {
                            self.workers.spawn(&mut connections, connection.run(accepted));
                        }
                    } else {
                        tracing::warn!(peer.addr = %address, "connection limit reached");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the system refuses new connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let out_of_time = async {
            shutdown.hurried().await;
            tokio::time::sleep(self.limits.drain).await;
        };
        let mut out_of_time = std::pin::pin!(out_of_time);
        loop {
            tokio::select! {
                ended = connections.join_next() => if ended.is_none() { break },
                () = out_of_time.as_mut() => {
                    let left = connections.len();
                    tracing::warn!(left, "connections cut at the end of the drain time");
                    break;
                }
            }
        }
        drop(connections);
        self.workers.end().await;
        if let Some(log) = self.log {
            log.flush().await;
        }
    }
}

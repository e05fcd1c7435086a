//! The accept loop.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use xylem_pki::PeerCertificate;
use xylem_runtime::{Accepted, Environment, Listener, Shutdown, Stream};

use crate::handler::Handler;
use crate::pace::{PacedBody, PacedStream};
use crate::request_id::RequestId;
use crate::turns::Turns;
use crate::turnstile::{Place, Turnstile};
use crate::workers::Workers;
use crate::{Limits, Peer};

/// Names the request in its answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long to rest when the system refuses a connection, e.g. for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long to listen to a peer after its handshake failed.
const LINGER: Duration = Duration::from_secs(1);

/// The smallest read buffer that hyper accepts, in bytes.
const LEAST_BUFFER_BYTES: usize = 8 << 10;

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
        Self { listener, tls: TlsAcceptor::from(tls), limits, workers: Workers::new(0) }
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
                            shutdown: shutdown.clone(),
                            place,
                        };
                        match accepted {
                            Accepted::Socket(socket) => self
                                .workers
                                .spawn(&mut connections, connection.run(Accepted::Socket(socket))),
                            stream @ Accepted::Stream(_) => {
                                connections.spawn(connection.run(stream));
                            }
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
    }
}

struct Connection<H> {
    address: SocketAddr,
    tls: TlsAcceptor,
    limits: Limits,
    handler: H,
    shutdown: Shutdown,
    place: Place,
}

impl<H: Handler> Connection<H> {
    async fn run(self, accepted: Accepted) {
        let stream = match accepted.open() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(peer.addr = %self.address, %error, "a connection cannot be served");
                return;
            }
        };
        let stream = PacedStream::new(stream, self.limits.stall);
        let handshake = self.tls.accept(stream).into_fallible();
        let mut stream = match timeout(self.limits.handshake, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err((error, stream))) => {
                tracing::debug!(peer.addr = %self.address, %error, "TLS handshake failed");
                linger(stream).await;
                return;
            }
            Err(_) => {
                tracing::debug!(peer.addr = %self.address, "TLS handshake took too long");
                return;
            }
        };
        let output = self.limits.output_bytes_of_each(self.place.of_all());
        stream.get_mut().1.set_buffer_limit(Some(output));
        let certificate = match stream.get_ref().1.peer_certificates() {
            None => None,
            Some(chain) => match PeerCertificate::from_chain(chain) {
                Ok(certificate) => Some(certificate),
                Err(error) => {
                    tracing::debug!(peer.addr = %self.address, %error, "certificate names nobody");
                    None
                }
            },
        };
        let peer = Peer { address: self.address, certificate };
        let handler = self.handler;
        let body_limit = self.limits.body;
        let turns = Arc::new(Turns::default());
        let (counted, most) = (Arc::clone(&turns), self.limits.requests);
        let service = service_fn(move |request: Request<Incoming>| {
            let request = request.map(|body| PacedBody::new(Body::new(body), body_limit));
            let is_last = counted.begin() >= most;
            answer(handler.clone(), peer.clone(), request, is_last)
        });
        let mut connection = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.header)
                .max_header_size(self.limits.header_bytes)
                .max_buf_size(self.limits.header_bytes.max(LEAST_BUFFER_BYTES))
                .serve_connection(TokioIo::new(stream), service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = leave(&self.shutdown, &turns) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer.addr = %self.address, %error, "connection ended early");
        }
    }
}

/// Returns once a connection is to end after what it is doing. On one that was only just made a
/// request is on its way: while another server takes over, it is answered.
async fn leave(shutdown: &Shutdown, turns: &Turns) {
    shutdown.begun().await;
    tokio::select! {
        () = turns.first() => {}
        () = shutdown.hurried() => {}
    }
}

/// Lets the peer read why its handshake failed. Closing while bytes of its first request lie
/// unread would reset the connection, and take the alert that says so along.
async fn linger(mut stream: PacedStream<Box<dyn Stream>>) {
    let mut rest = [0; 1024];
    let reading = async {
        stream.shutdown().await?;
        while stream.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    // However it ends, the connection is closed next.
    let _ = timeout(LINGER, reading).await;
}

async fn answer<H: Handler>(
    handler: H,
    peer: Peer,
    request: Request<PacedBody>,
    is_last: bool,
) -> Result<http::Response<Body>, std::convert::Infallible> {
    let id = RequestId::next();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    let mut response = id.scope(handler.answer(request)).await;
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if is_last {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    // What is sent is what it says it is, whatever a browser makes of its bytes.
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    Ok(response)
}

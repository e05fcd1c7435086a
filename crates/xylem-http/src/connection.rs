//! One connection, from its handshake to its end.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use xylem_pki::{ALPN_HTTP_2, PeerCertificate};
use xylem_runtime::{Accepted, Shutdown, Stream};

use crate::access_log::AccessLog;
use crate::exchange::Exchange;
use crate::handler::Handler;
use crate::pace::PacedStream;
use crate::turns::Turns;
use crate::turnstile::Place;
use crate::{Limits, Peer};

/// How long to listen to a peer after its handshake failed.
const LINGER: Duration = Duration::from_secs(1);

/// The smallest read buffer that hyper accepts, in bytes.
const LEAST_BUFFER_BYTES: usize = 8 << 10;

/// Requests at once on one connection of HTTP/2.
const STREAMS: u32 = 32;

/// Bytes of a request's body that may be under way, on each stream and on the whole connection of
/// HTTP/2.
const WINDOW_BYTES: u32 = 1 << 20;

/// Bytes of an answer that wait on each stream of HTTP/2.
const SEND_BYTES: usize = 64 << 10;

type Secured = TlsStream<PacedStream<Box<dyn Stream>>>;

pub(crate) struct Connection<H> {
    pub(crate) address: SocketAddr,
    pub(crate) tls: TlsAcceptor,
    pub(crate) limits: Limits,
    pub(crate) handler: H,
    pub(crate) log: Option<AccessLog>,
    pub(crate) shutdown: Shutdown,
    pub(crate) place: Place,
}

impl<H: Handler> Connection<H> {
    pub(crate) async fn run(self, accepted: Accepted) {
        let stream = match accepted.open() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(peer.addr = %self.address, %error, "a connection cannot be served");
                return;
            }
        };
        let turns = Arc::new(Turns::new(self.limits.requests));
        let Some(mut stream) = self.shake_hands(stream, &turns).await else { return };
        let output = self.limits.output_bytes_of_each(self.place.of_all());
        stream.get_mut().1.set_buffer_limit(Some(output));
        let certificate = self.certificate(&stream);
        let exchange = Arc::new(Exchange {
            peer: Peer { address: self.address, certificate: certificate.map(Arc::new) },
            handler: self.handler,
            log: self.log,
            body: self.limits.body,
            turns: Arc::clone(&turns),
        });
        let is_http_2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP_2);
        let ended = if is_http_2 {
            serve_http_2(stream, exchange, &self.limits, &self.shutdown, &turns).await
        } else {
            serve_http_1(stream, exchange, &self.limits, &self.shutdown, &turns).await
        };
        if let Err(error) = ended {
            tracing::debug!(peer.addr = %self.address, %error, "connection ended early");
        }
    }

    async fn shake_hands(&self, stream: Box<dyn Stream>, turns: &Arc<Turns>) -> Option<Secured> {
        let stream = PacedStream::new(stream, self.limits.stall, Arc::clone(turns));
        let handshake = self.tls.accept(stream).into_fallible();
        match timeout(self.limits.handshake, handshake).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err((error, stream))) => {
                tracing::debug!(peer.addr = %self.address, %error, "TLS handshake failed");
                linger(stream).await;
                None
            }
            Err(_) => {
                tracing::debug!(peer.addr = %self.address, "TLS handshake took too long");
                None
            }
        }
    }

    fn certificate(&self, stream: &Secured) -> Option<PeerCertificate> {
        let chain = stream.get_ref().1.peer_certificates()?;
        match PeerCertificate::from_chain(chain) {
            Ok(certificate) => Some(certificate),
            Err(error) => {
                tracing::debug!(peer.addr = %self.address, %error, "certificate names nobody");
                None
            }
        }
    }
}

async fn serve_http_1<H: Handler>(
    stream: Secured,
    exchange: Arc<Exchange<H>>,
    limits: &Limits,
    shutdown: &Shutdown,
    turns: &Turns,
) -> hyper::Result<()> {
    let service = service_fn(move |request| Arc::clone(&exchange).answer(request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(LEAST_BUFFER_BYTES))
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = leave(shutdown, turns) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// HTTP/2 has no time limits in hyper but for pings, so the use of the connection is watched.
async fn serve_http_2<H: Handler>(
    stream: Secured,
    exchange: Arc<Exchange<H>>,
    limits: &Limits,
    shutdown: &Shutdown,
    turns: &Turns,
) -> hyper::Result<()> {
    let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    let service = service_fn(move |request| Arc::clone(&exchange).answer(request));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES)
        .max_header_list_size(header_bytes)
        .keep_alive_interval(limits.stall / 2)
        .keep_alive_timeout(limits.stall / 2)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = leave(shutdown, turns) => connection.as_mut().graceful_shutdown(),
        () = turns.unused(limits.header, limits.stall * 2) => {
            connection.as_mut().graceful_shutdown();
        }
    }
    // What came in at the last moment is still answered.
    tokio::select! {
        ended = connection => ended,
        () = turns.unused(limits.header, limits.stall * 2) => Ok(()),
    }
}

/// Returns once a connection is to end after what it is doing. On one that was only just made a
/// request is on its way: while another server takes over, it is answered.
async fn leave(shutdown: &Shutdown, turns: &Turns) {
    let server_leaves = async {
        shutdown.begun().await;
        tokio::select! {
            () = turns.first() => {}
            () = shutdown.hurried() => {}
        }
    };
    tokio::select! {
        () = server_leaves => {}
        () = turns.last() => {}
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

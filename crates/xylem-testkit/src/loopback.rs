//! Servers in this process: TLS of their own, on a port of the loopback or of a simulated network.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use xylem_ca::{Authority, LeafRequest};
use xylem_model::{DistributionServerId, Party};
use xylem_pki::{ClientAuth, Identity, LeafNames, TrustAnchors, server_config};
use xylem_runtime::{Environment, Listener, Stream};

/// How long the certificate is good for.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// A certificate for one host, of an authority that nobody knows.
pub(crate) struct OwnTls {
    /// By which authority it is believed.
    pub(crate) ca_pem: String,
    pub(crate) config: Arc<ServerConfig>,
}

impl OwnTls {
    /// Makes both, by the clock of an environment.
    pub(crate) fn make(environment: &Environment, name: &str) -> Self {
        Self::for_hosts(environment, name, &["127.0.0.1"])
    }

    /// The same for other names.
    pub(crate) fn for_hosts(environment: &Environment, name: &str, hosts: &[&str]) -> Self {
        let (now, clock) = (environment.clock.now(), Arc::clone(&environment.clock));
        let authority = Authority::create("A cloud", now, Arc::clone(&environment.rng)).unwrap();
        let leaf = LeafRequest {
            party: Party::DistributionServer(environment.new_id(DistributionServerId::from_parts)),
            common_name: name.to_owned(),
            hosts: LeafNames::from_hosts(hosts.iter().copied()).unwrap(),
            lifetime: LIFETIME,
            server_auth: true,
        };
        let ca_pem = authority.root_pem();
        let anchors = TrustAnchors::from_pem(ca_pem.as_bytes()).unwrap();
        let identity = Identity::new(authority.issue_own(&leaf, now).unwrap());
        let config = server_config(&identity, &anchors, clock, ClientAuth::None).unwrap();
        Self { ca_pem, config }
    }
}

/// Binds a free port of the loopback.
pub(crate) async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Answers whatever connects, until it is dropped. Where an answer is an error the connection is
/// cut.
pub(crate) async fn serve<S, F, B>(listener: TcpListener, tls: Arc<ServerConfig>, service: S)
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<Response<B>>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (tls, mut connections) = (TlsAcceptor::from(tls), JoinSet::new());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(converse(stream, tls.clone(), service.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Answers whatever connects to a port of any network, until that is gone.
pub(crate) async fn serve_at<S, F, B>(
    listener: Box<dyn Listener>,
    tls: Arc<ServerConfig>,
    service: S,
) where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<Response<B>>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (tls, mut connections) = (TlsAcceptor::from(tls), JoinSet::new());
    while let Ok((accepted, _)) = listener.accept().await {
        let Ok(stream) = accepted.open() else { continue };
        connections.spawn(converse(stream, tls.clone(), service.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn converse<S, F, B>(stream: impl Stream + 'static, tls: TlsAcceptor, service: S)
where
    S: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = io::Result<Response<B>>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Ok(stream) = tls.accept(stream).await else { return };
    // However a connection ends: what counts is what the client makes of it.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(service)).await;
}

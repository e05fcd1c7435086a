//! An authority with parties of it, and a handshake between two of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use uuid::Uuid;
use xylem_ca::{
    Authority, COMPUTER_LIFETIME, DISTRIBUTION_SERVER_LIFETIME, IssuedLeaf, LeafRequest,
};
use xylem_model::{ComputerId, DistributionServerId, Party, Timestamp};
use xylem_pki::{
    ClientAuth, Credentials, Identity, KeyPair, LeafNames, TrustAnchors, certificate_request,
    client_config, explain_tls_error, server_config, server_name,
};
use xylem_runtime::{Clock, ManualClock, SystemRng};

/// 2026-09-21T14:13:20Z.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const HOST: &str = "files.example.org";

pub(crate) fn computer(number: u128) -> Party {
    Party::Computer(ComputerId::from_uuid(Uuid::from_u128(number)))
}

pub(crate) fn distribution_server(number: u128) -> Party {
    Party::DistributionServer(DistributionServerId::from_uuid(Uuid::from_u128(number)))
}

pub(crate) fn authority() -> Authority {
    Authority::create("Example School", NOW, Arc::new(SystemRng)).unwrap()
}

pub(crate) fn anchors(authority: &Authority) -> TrustAnchors {
    TrustAnchors::from_pem(authority.root_pem().as_bytes()).unwrap()
}

pub(crate) fn computer_leaf(number: u128) -> LeafRequest {
    LeafRequest {
        party: computer(number),
        common_name: "lab-3".into(),
        hosts: LeafNames::none(),
        lifetime: COMPUTER_LIFETIME,
        server_auth: false,
    }
}

pub(crate) fn server_leaf(number: u128) -> LeafRequest {
    LeafRequest {
        party: distribution_server(number),
        common_name: "Library".into(),
        hosts: LeafNames::from_hosts([HOST, "127.0.0.1", "[::1]"]).unwrap(),
        lifetime: DISTRIBUTION_SERVER_LIFETIME,
        server_auth: true,
    }
}

/// Enrols as a party does: key here, request there.
pub(crate) fn enrol(authority: &Authority, leaf: &LeafRequest, now: Timestamp) -> Credentials {
    let key = KeyPair::generate().unwrap();
    let issued = issue(authority, &key, leaf, now);
    Credentials::new(key, issued.chain_pem.as_bytes()).unwrap()
}

pub(crate) fn issue(
    authority: &Authority,
    key: &KeyPair,
    leaf: &LeafRequest,
    now: Timestamp,
) -> IssuedLeaf {
    let request = certificate_request(key, "anything").unwrap();
    authority.issue(&request, leaf, now).unwrap()
}

/// A distribution server and a computer of one authority, and the time.
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) anchors: TrustAnchors,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) server: Identity,
    pub(crate) client: Identity,
}

impl World {
    pub(crate) fn new() -> Self {
        let authority = authority();
        let anchors = anchors(&authority);
        let server = Identity::new(enrol(&authority, &server_leaf(1), NOW));
        let client = Identity::new(enrol(&authority, &computer_leaf(2), NOW));
        Self { authority, anchors, clock: Arc::new(ManualClock::new(NOW)), server, client }
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    pub(crate) fn server_config(&self, auth: ClientAuth) -> Arc<ServerConfig> {
        server_config(&self.server, &self.anchors, self.clock(), auth).unwrap()
    }

    pub(crate) fn client_config(&self) -> Arc<ClientConfig> {
        client_config(&self.anchors, Some(&self.client), self.clock()).unwrap()
    }

    pub(crate) fn anonymous_config(&self) -> Arc<ClientConfig> {
        client_config(&self.anchors, None, self.clock()).unwrap()
    }
}

/// What one side knows of the other after a handshake.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) kind: Option<HandshakeKind>,
}

/// What the server and the client experienced.
pub(crate) struct Outcome {
    pub(crate) server: io::Result<Peer>,
    pub(crate) client: io::Result<Peer>,
}

impl Outcome {
    /// How the client explains that it failed.
    pub(crate) fn client_says(&self) -> String {
        explain(&self.client)
    }

    /// How the server explains that it failed.
    pub(crate) fn server_says(&self) -> String {
        explain(&self.server)
    }
}

fn explain(result: &io::Result<Peer>) -> String {
    let error = result.as_ref().expect_err("the handshake should have failed");
    explain_tls_error(error, NOW).unwrap()
}

/// Joins the two sides with a pipe and sends a byte to and fro.
pub(crate) async fn connect(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    host: &str,
) -> Outcome {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (server, client) = tokio::join!(serve(server, far), ask(client, near, host));
    Outcome { server, client }
}

pub(crate) async fn serve<S>(config: Arc<ServerConfig>, stream: S) -> io::Result<Peer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = TlsAcceptor::from(config).accept(stream).await?;
    let question = stream.read_u8().await?;
    stream.write_u8(question + 1).await?;
    stream.shutdown().await?;
    let connection = stream.get_ref().1;
    Ok(Peer {
        chain: connection.peer_certificates().unwrap_or_default().to_vec(),
        alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
        kind: connection.handshake_kind(),
    })
}

pub(crate) async fn ask<S>(config: Arc<ClientConfig>, stream: S, host: &str) -> io::Result<Peer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = server_name(host).unwrap();
    let mut stream = TlsConnector::from(config).connect(name, stream).await?;
    stream.write_u8(41).await?;
    stream.flush().await?;
    assert_eq!(stream.read_u8().await?, 42);
    // Up to the end, so that a ticket the server may send is taken in.
    stream.read_to_end(&mut Vec::new()).await?;
    let connection = stream.get_ref().1;
    Ok(Peer {
        chain: connection.peer_certificates().unwrap_or_default().to_vec(),
        alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
        kind: connection.handshake_kind(),
    })
}

//! Handshakes that succeed.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use xylem_pki::{
    ALPN_HTTP_1_1, ClientAuth, Fingerprint, PeerCertificate, TrustAnchors, unverified_probe_config,
};

use crate::support::{DAY, HOST, NOW, World, ask, computer, connect, distribution_server, serve};

#[tokio::test]
async fn both_sides_learn_who_the_other_is() {
    let world = World::new();
    let server = world.server_config(ClientAuth::Required);
    for host in [HOST, "127.0.0.1", "[::1]"] {
        let outcome = connect(Arc::clone(&server), world.client_config(), host).await;
        let seen_by_server = outcome.server.unwrap();
        let client = PeerCertificate::from_chain(&seen_by_server.chain).unwrap();
        assert_eq!(client.party, computer(2));
        assert_eq!(client.serial_hex, world.client.serial());
        let seen_by_client = outcome.client.unwrap();
        let server = PeerCertificate::from_chain(&seen_by_client.chain).unwrap();
        assert_eq!(server.party, distribution_server(1));
        assert_eq!(seen_by_client.alpn.as_deref(), Some(ALPN_HTTP_1_1));
    }
}

#[tokio::test]
async fn handshakes_work_over_tcp() {
    let world = World::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        serve(world.server_config(ClientAuth::Required), stream).await
    };
    let client = async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        ask(world.client_config(), stream, "127.0.0.1").await
    };
    let (server, client) = tokio::join!(server, client);
    assert_eq!(server.unwrap().chain.len(), 2);
    assert_eq!(client.unwrap().chain.len(), 2);
}

#[tokio::test]
async fn where_certificates_are_optional_anybody_is_served() {
    let world = World::new();
    let server = world.server_config(ClientAuth::Optional);
    let outcome = connect(Arc::clone(&server), world.anonymous_config(), HOST).await;
    assert!(outcome.server.unwrap().chain.is_empty());
    let outcome = connect(server, world.client_config(), HOST).await;
    assert_eq!(outcome.server.unwrap().chain.len(), 2);
}

#[tokio::test]
async fn where_none_are_wanted_none_are_asked_for() {
    let world = World::new();
    let outcome = connect(world.server_config(ClientAuth::None), world.client_config(), HOST).await;
    assert!(outcome.server.unwrap().chain.is_empty());
}

#[tokio::test]
async fn a_distribution_server_can_be_a_client_of_another() {
    let mut world = World::new();
    world.client = world.server.clone();
    let server = world.server_config(ClientAuth::Required);
    let outcome = connect(server, world.client_config(), HOST).await;
    let peer = PeerCertificate::from_chain(&outcome.server.unwrap().chain).unwrap();
    assert_eq!(peer.party, distribution_server(1));
}

#[tokio::test]
async fn sessions_are_never_resumed() {
    let world = World::new();
    let mut roots = RootCertStore::empty();
    roots.add(world.anchors.certificates()[0].clone()).unwrap();
    let mut client_that_resumes = Vec::new();
    for version in [&TLS12, &TLS13] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let time = Arc::new(TestTime);
        let config = ClientConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_client_cert_resolver(Arc::new(world.client.clone()));
        client_that_resumes.push(Arc::new(config));
    }
    let server = world.server_config(ClientAuth::Required);
    for client in client_that_resumes {
        for _ in 0..2 {
            let outcome = connect(Arc::clone(&server), Arc::clone(&client), HOST).await;
            assert_eq!(outcome.server.unwrap().kind, Some(HandshakeKind::Full));
        }
    }
}

#[tokio::test]
async fn a_probe_fetches_from_anybody_and_the_fingerprint_decides() {
    let world = World::new();
    // The clock is off, the name is wrong, the authority unknown: all the same to it.
    world.clock.set(NOW.plus(DAY * 400));
    let probe = unverified_probe_config(world.clock()).unwrap();
    let server = world.server_config(ClientAuth::Optional);
    let outcome = connect(server, probe, "elsewhere.example.org").await;
    assert!(outcome.server.unwrap().chain.is_empty(), "the probe shows nothing of ours");
    outcome.client.unwrap();
    let fetched = world.authority.root_pem();
    let expected = world.authority.root_fingerprint();
    TrustAnchors::pinned(fetched.as_bytes(), &expected).unwrap();
    let other = Fingerprint::of(b"another");
    assert!(TrustAnchors::pinned(fetched.as_bytes(), &other).is_err());
}

#[derive(Debug)]
struct TestTime;

impl TimeProvider for TestTime {
    fn current_time(&self) -> Option<UnixTime> {
        let now = u64::try_from(NOW.unix_seconds()).unwrap();
        let since = Duration::from_secs(now);
        Some(UnixTime::since_unix_epoch(since))
    }
}

//! Handshakes that must fail, and what people are told.

use std::sync::Arc;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, SanType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use xylem_pki::{
    ClientAuth, Credentials, Identity, KeyPair, TrustAnchors, client_config, explain_tls_error,
    server_config, server_name,
};
use xylem_runtime::{Clock, ManualClock, RealFs};

use crate::support::{
    DAY, HOST, NOW, World, anchors, authority, computer_leaf, connect, enrol, server_leaf,
};

/// A clock of the other machine, off by some days.
fn clock(days: i64) -> Arc<dyn Clock> {
    let now = if days < 0 { NOW.minus(DAY) } else { NOW.plus(DAY * days.unsigned_abs() as u32) };
    Arc::new(ManualClock::new(now))
}

#[tokio::test]
async fn an_expired_server_is_refused() {
    let world = World::new();
    let client = client_config(&world.anchors, None, clock(31)).unwrap();
    let says = connect(world.server_config(ClientAuth::None), client, HOST).await.client_says();
    assert!(says.contains("expired on 2026-10-21"), "{says}");
    assert!(says.contains("clock says 2026-10-22"), "{says}");
}

#[tokio::test]
async fn a_clock_that_is_a_day_behind_is_asked_about() {
    let world = World::new();
    let client = client_config(&world.anchors, None, clock(-1)).unwrap();
    let says = connect(world.server_config(ClientAuth::None), client, HOST).await.client_says();
    assert!(says.contains("not valid before 2026-09-21"), "{says}");
    assert!(says.contains("clock says 2026-09-20"), "{says}");
    assert!(says.contains("is it right?"), "{says}");
}

#[tokio::test]
async fn an_expired_client_is_refused_and_told() {
    let world = World::new();
    let late = clock(366);
    let server_leaf = enrol(&world.authority, &server_leaf(1), late.now());
    let server = Identity::new(server_leaf);
    let server =
        server_config(&server, &world.anchors, Arc::clone(&late), ClientAuth::Required).unwrap();
    let client = client_config(&world.anchors, Some(&world.client), late).unwrap();
    let outcome = connect(server, client, HOST).await;
    let says = outcome.server_says();
    assert!(says.contains("the other side's certificate expired on 2027-09-21"), "{says}");
    let says = outcome.client_says();
    assert!(says.contains("refused our certificate as expired"), "{says}");
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    // Of the same organization's name, as two installations would be.
    let world = World::new();
    let foreign = anchors(&authority());
    let client = client_config(&foreign, None, world.clock()).unwrap();
    let outcome = connect(world.server_config(ClientAuth::None), client, HOST).await;
    let server_says = outcome.server_says();
    assert!(server_says.contains("another CA"), "{server_says}");
    let says = outcome.client_says();
    assert!(says.contains("signed by another CA: is --ca"), "{says}");
}

#[tokio::test]
async fn a_client_of_another_authority_is_refused_and_told() {
    let world = World::new();
    let foreign = Identity::new(enrol(&authority(), &computer_leaf(9), NOW));
    let client = client_config(&world.anchors, Some(&foreign), world.clock()).unwrap();
    let outcome = connect(world.server_config(ClientAuth::Optional), client, HOST).await;
    let says = outcome.client_says();
    assert!(says.contains("refused our certificate as signed by another CA"), "{says}");
    assert!(outcome.server.is_err());
}

#[tokio::test]
async fn a_server_under_another_name_is_refused() {
    let world = World::new();
    for host in ["other.example.org", "127.0.0.2", "sub.files.example.org"] {
        let server = world.server_config(ClientAuth::Required);
        let says = connect(server, world.client_config(), host).await.client_says();
        assert!(says.contains(&format!("is not for {host}")), "{says}");
        assert!(says.contains(HOST), "{says}");
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_where_one_is_required() {
    let world = World::new();
    let server = world.server_config(ClientAuth::Required);
    let outcome = connect(server, world.anonymous_config(), HOST).await;
    let says = outcome.client_says();
    assert!(says.contains("this program has none"), "{says}");
    let says = outcome.server_says();
    assert!(says.contains("showed no certificate"), "{says}");
}

#[tokio::test]
async fn a_computer_cannot_act_as_a_server() {
    let mut world = World::new();
    world.server = world.client.clone();
    let server = world.server_config(ClientAuth::None);
    let says = connect(server, world.anonymous_config(), HOST).await.client_says();
    assert!(says.contains("a computer cannot act as a server"), "{says}");
}

#[tokio::test]
async fn a_certificate_for_servers_alone_is_no_client() {
    let mut world = World::new();
    world.client = Identity::new(signed_by_intermediate(&world, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let party = crate::support::computer(4).to_string();
        params.subject_alt_names = vec![SanType::URI(party.as_str().try_into().unwrap())];
    }));
    let server = world.server_config(ClientAuth::Required);
    let outcome = connect(server, world.client_config(), HOST).await;
    let says = outcome.client_says();
    assert!(says.contains("refused our certificate as made for another purpose"), "{says}");
    let says = outcome.server_says();
    assert!(says.contains("for another purpose"), "{says}");
}

/// Signs with the authority's intermediate what the authority itself would not.
fn signed_by_intermediate(world: &World, fill: impl FnOnce(&mut CertificateParams)) -> Credentials {
    let folder = tempfile::tempdir().unwrap();
    world.authority.save(&RealFs, folder.path()).unwrap();
    let text = std::fs::read_to_string(folder.path().join("intermediate.pem")).unwrap();
    let ca_key = KeyPair::from_pem(text.as_bytes()).unwrap();
    let ca = xylem_pki::pem::certificates(text.as_bytes(), 1).unwrap();
    let issuer = Issuer::from_ca_cert_der(&ca[0], ca_key).unwrap();
    let mut params = CertificateParams::default();
    fill(&mut params);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap().pem();
    Credentials::new(key, (leaf + &xylem_pki::pem::encode_certificates(&ca)).as_bytes()).unwrap()
}

#[tokio::test]
async fn a_leaf_signs_no_other_certificate() {
    let mut world = World::new();
    let leaf = world.client.current();
    let issuer = Issuer::from_ca_cert_der(&leaf.chain()[0], leaf.key().clone()).unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let party = crate::support::computer(1).to_string();
    params.subject_alt_names = vec![SanType::URI(party.as_str().try_into().unwrap())];
    let key = KeyPair::generate().unwrap();
    let chain = params.signed_by(&key, &issuer).unwrap().pem() + &leaf.chain_pem();
    world.client = Identity::new(Credentials::new(key, chain.as_bytes()).unwrap());
    let server = world.server_config(ClientAuth::Required);
    let outcome = connect(server, world.client_config(), HOST).await;
    assert!(outcome.server.is_err());
}

#[tokio::test]
async fn a_port_without_tls_is_recognised() {
    let world = World::new();
    let (near, mut far) = tokio::io::duplex(4096);
    let plain = async {
        far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        far.read_u8().await.unwrap();
    };
    let connector = TlsConnector::from(world.client_config());
    let (_, result) = tokio::join!(plain, connector.connect(server_name(HOST).unwrap(), near));
    let says = explain_tls_error(&result.unwrap_err(), NOW).unwrap();
    assert!(says.contains("does not speak TLS"), "{says}");

    let (mut near, far) = tokio::io::duplex(4096);
    near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let server = TlsAcceptor::from(world.server_config(ClientAuth::None));
    let says = explain_tls_error(&server.accept(far).await.err().unwrap(), NOW).unwrap();
    assert!(says.contains("does not speak TLS"), "{says}");
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_recognised() {
    let world = World::new();
    let (near, far) = tokio::io::duplex(4096);
    drop(far);
    let connector = TlsConnector::from(world.client_config());
    let error = connector.connect(server_name(HOST).unwrap(), near).await.unwrap_err();
    // Writing into a closed pipe is no failure of TLS; reading its end within the handshake is.
    assert_eq!(explain_tls_error(&error, NOW), None);

    let (near, mut far) = tokio::io::duplex(4096);
    let hang_up = async move {
        far.read_u8().await.unwrap();
        far.shutdown().await.unwrap();
        far.read_to_end(&mut Vec::new()).await.unwrap();
    };
    let connect = async move { connector.connect(server_name(HOST).unwrap(), near).await.err() };
    let (_, error) = tokio::join!(hang_up, connect);
    let says = explain_tls_error(&error.unwrap(), NOW).unwrap();
    assert!(says.contains("hung up"), "{says}");
}

#[test]
fn an_expired_chain_can_be_judged_at_the_moment_it_ran_out() {
    let world = World::new();
    let credentials = world.client.current();
    let (chain, ran_out) = (credentials.chain(), credentials.certificate().not_after);
    let late = ran_out.plus(DAY);
    assert!(world.anchors.verify_client_chain(chain, late).is_err());
    world.anchors.verify_client_chain(chain, late.min(ran_out)).unwrap();
    let foreign: TrustAnchors = anchors(&authority());
    assert!(foreign.verify_client_chain(chain, ran_out).is_err());
    assert!(world.anchors.verify_client_chain(&[], NOW).is_err());
}

//! Who is on the other side.

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use xylem_http::{Limits, Peer};
use xylem_pki::{ClientAuth, explain_tls_error};

use crate::support::{Served, World, computer};

/// Answers who asks: address, party and serial number.
fn who() -> Router {
    let shown = |peer: Peer| async move {
        let party = peer.party().map(|party| party.to_string()).unwrap_or_default();
        let serial = peer.certificate.map(|certificate| certificate.serial_hex.clone());
        format!("{} {party} {}", peer.address.ip(), serial.unwrap_or_default())
    };
    Router::new().route("/", get(shown))
}

#[tokio::test]
async fn the_certificate_of_the_other_side_reaches_the_handler() {
    let world = World::new();
    let served = world.serve(Limits::default(), who()).await;
    let identity = world.computer(7);
    let mut client = served.try_connect(&world.client_config(Some(&identity))).await.unwrap();
    for _ in 0..2 {
        let expected = format!("127.0.0.1 {} {}", computer(7), identity.serial());
        assert_eq!(client.get("/").await.body, expected);
    }
}

#[tokio::test]
async fn without_a_certificate_nobody_is_named() {
    let world = World::new();
    let served = world.serve(Limits::default(), who()).await;
    assert_eq!(served.get("/").await.body, "127.0.0.1  ");
}

/// What the client hears when it shows a certificate that is not believed.
async fn refusal(world: &World, served: &Served, stranger: &World) -> String {
    let identity = stranger.computer(7);
    // In TLS 1.3 the client's side of the handshake is through before its certificate is judged.
    let mut client = served.try_connect(&world.client_config(Some(&identity))).await.unwrap();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let error = client.try_answer().await.unwrap_err();
    explain_tls_error(&error, world.environment.clock.now())
        .unwrap_or_else(|| panic!("the alert was lost: {error}"))
}

#[tokio::test]
async fn a_certificate_of_another_authority_fails_the_handshake_with_a_reason() {
    let (world, stranger) = (World::new(), World::new());
    for auth in [ClientAuth::Optional, ClientAuth::Required] {
        let served = world.serve_with(auth, Limits::default(), who()).await;
        // The reason must arrive every time, not only when the client's request comes late.
        for _ in 0..20 {
            let explanation = refusal(&world, &served, &stranger).await;
            assert!(explanation.contains("signed by another CA"), "{explanation}");
        }
    }
}

#[tokio::test]
async fn where_a_certificate_is_required_none_fails_the_handshake() {
    let world = World::new();
    let served = world.serve_with(ClientAuth::Required, Limits::default(), who()).await;
    let mut client = served.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let error = client.try_answer().await.unwrap_err();
    let explanation = explain_tls_error(&error, world.environment.clock.now()).unwrap();
    assert!(explanation.contains("asks for a certificate"), "{explanation}");
}

#[tokio::test]
async fn a_peer_cannot_be_made_up_by_headers() {
    let world = World::new();
    let served = world.serve(Limits::default(), who()).await;
    let mut client = served.connect().await;
    let forged = "X-Forwarded-For: 10.9.8.7\r\nForwarded: for=10.9.8.7\r\n";
    client.send(format!("GET / HTTP/1.1\r\nHost: x\r\n{forged}\r\n")).await;
    assert_eq!(client.answer().await.body, "127.0.0.1  ");
}

#[tokio::test]
async fn who_fails_the_handshake_hears_the_alert_and_not_a_reset() {
    let world = World::new();
    let served = world.serve(Limits::default(), who()).await;
    let mut tcp = served.tcp().await;
    // More than is read before the handshake fails.
    tcp.write_all(&b"GET / HTTP/1.1\r\n".repeat(4096)).await.unwrap();
    let mut alert = Vec::new();
    tcp.read_to_end(&mut alert).await.unwrap();
    assert_eq!(alert.first(), Some(&21), "the type of an alert (RFC 8446 section 5.1)");
}

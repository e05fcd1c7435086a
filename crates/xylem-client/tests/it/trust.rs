//! Servers that are not there, not believed, or do not believe us.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use xylem_client::{BaseUrl, ClientError};
use xylem_model::Timestamp;
use xylem_pki::ClientAuth;
use xylem_runtime::ManualClock;

use crate::support::{FakeServer, Reply, World, get};

fn explanation(error: ClientError, server: &BaseUrl) -> String {
    assert!(!error.is_transient(), "trying again does not help");
    assert!(error.to_string().contains(&server.to_string()), "{error}");
    let ClientError::Tls { explanation, .. } = error else { panic!("{error:?}") };
    explanation
}

#[tokio::test]
async fn where_nobody_listens_the_connection_is_refused() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = BaseUrl::new("127.0.0.1", port);
    let error = get(&World::new().transport(), &url).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains(&url.to_string()), "{error}");
    assert!(error.source().is_some());
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_believed() {
    let server = World::new().fake(|_| Reply::json("\"hello\"")).await;
    let error = get(&World::new().transport(), &server.url).await.unwrap_err();
    let explanation = explanation(error, &server.url);
    assert!(explanation.contains("signed by another CA"), "{explanation}");
    assert!(server.asked().is_empty(), "nothing is sent to it");
}

#[tokio::test]
async fn a_server_of_another_name_is_not_believed() {
    let world = World::new();
    let elsewhere = world.server(["files.example.org"]);
    let tls = world.server_config_of(&elsewhere, ClientAuth::None);
    let server = FakeServer::start(tls, |_| Reply::json("\"hello\"")).await;
    let error = get(&world.transport(), &server.url).await.unwrap_err();
    let explanation = explanation(error, &server.url);
    assert!(explanation.contains("not for 127.0.0.1"), "{explanation}");
    assert!(explanation.contains("files.example.org"), "{explanation}");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_computer_cannot_act_as_a_server() {
    let world = World::new();
    let tls = world.server_config_of(&world.computer(3), ClientAuth::None);
    let server = FakeServer::start(tls, |_| Reply::json("\"hello\"")).await;
    let error = get(&world.transport(), &server.url).await.unwrap_err();
    explanation(error, &server.url);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_expired_server_is_not_believed_and_the_clock_is_shown() {
    let mut world = World::new();
    let server = world.fake(|_| Reply::json("\"hello\"")).await;
    let later = world.environment.clock.now().plus(Duration::from_secs(2 * 86_400));
    world.environment.clock = Arc::new(ManualClock::new(later));
    let error = get(&world.transport(), &server.url).await.unwrap_err();
    let explanation = explanation(error, &server.url);
    assert!(explanation.contains("expired"), "{explanation}");
    let shown = Timestamp::from_unix_ms(later.unix_seconds() * 1000);
    assert!(explanation.contains(&format!("clock says {shown}")), "{explanation}");
}

#[tokio::test]
async fn a_port_of_plain_http_is_recognised() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = BaseUrl::new("127.0.0.1", listener.local_addr().unwrap().port());
    let plain = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let error = get(&World::new().transport(), &url).await.unwrap_err();
    let explanation = explanation(error, &url);
    assert!(explanation.contains("does not speak TLS"), "{explanation}");
    plain.abort();
}

#[tokio::test]
async fn a_server_says_who_it_is_before_anything_is_asked() {
    let world = World::new();
    let server = world.fake(|_| Reply::json("\"hello\"")).await;
    let peer = world.transport().peer(&server.url).await.unwrap().unwrap();
    assert!(peer.party.to_string().starts_with("xylem://"), "{}", peer.party);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_refused_certificate_of_ours_is_explained_although_the_handshake_was_through() {
    let (world, stranger) = (World::new(), World::new());
    let server =
        FakeServer::start(world.server_config(ClientAuth::Required), |_| Reply::json("\"hello\""))
            .await;
    let identity = stranger.computer(5);
    let error = get(&world.transport_as(Some(&identity)), &server.url).await.unwrap_err();
    let explanation = explanation(error, &server.url);
    assert!(explanation.contains("signed by another CA"), "{explanation}");
    let error = get(&world.transport(), &server.url).await.unwrap_err();
    let ClientError::Tls { explanation, .. } = error else { panic!("{error:?}") };
    assert!(explanation.contains("enrol first"), "{explanation}");
}

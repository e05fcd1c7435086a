//! Places, and sizes.

use axum::Router;
use axum::routing::get;
use xylem_http::Limits;

use crate::support::World;

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

#[tokio::test]
async fn a_full_listener_turns_away_and_takes_in_again_when_a_place_is_given_back() {
    let world = World::new();
    let limits = Limits { connections: 2, ..Limits::default() };
    let served = world.serve(limits, hello()).await;
    let mut first = served.connect().await;
    let mut second = served.connect().await;
    assert_eq!(first.get("/").await.status, 200);
    assert_eq!(second.get("/").await.status, 200);

    assert!(served.try_connect(&world.client_config(None)).await.is_err());
    assert_eq!(first.get("/").await.status, 200, "those inside are not disturbed");

    drop(second);
    let mut third = served.connect_when_there_is_room().await;
    assert_eq!(third.get("/").await.status, 200);
    assert!(served.try_connect(&world.client_config(None)).await.is_err(), "full again");
}

#[tokio::test]
async fn one_address_has_its_own_limit() {
    let world = World::new();
    let limits = Limits { connections_per_address: 1, ..Limits::default() };
    let served = world.serve(limits, hello()).await;
    let mut first = served.connect().await;
    assert_eq!(first.get("/").await.status, 200);
    assert!(served.try_connect(&world.client_config(None)).await.is_err());
    drop(first);
    served.connect_when_there_is_room().await;
}

#[tokio::test]
async fn a_connection_that_fails_its_handshake_gives_its_place_back() {
    let world = World::new();
    let limits = Limits { connections: 1, ..Limits::default() };
    let served = world.serve(limits, hello()).await;
    for _ in 0..3 {
        let mut tcp = served.tcp().await;
        tokio::io::AsyncWriteExt::write_all(&mut tcp, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        drop(tcp);
        served.connect_when_there_is_room().await;
    }
}

#[tokio::test]
async fn after_so_many_requests_a_connection_is_closed() {
    let world = World::new();
    let served = world.serve(Limits { requests: 3, ..Limits::default() }, hello()).await;
    let mut client = served.connect().await;
    for _ in 0..2 {
        assert!(!client.get("/").await.headers.contains_key("connection"));
    }
    let last = client.get("/").await;
    assert_eq!((last.body.as_str(), last.headers["connection"].as_str()), ("hello", "close"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn an_oversized_head_is_refused_and_its_connection_closed() {
    let world = World::new();
    let limits = Limits { header_bytes: 16 << 10, ..Limits::default() };
    let served = world.serve(limits, hello()).await;
    let head = |bytes: usize| {
        format!("GET / HTTP/1.1\r\nHost: x\r\nX-Much: {}\r\n\r\n", "m".repeat(bytes))
    };
    let mut client = served.connect().await;
    client.send(head(15 << 10)).await;
    assert_eq!(client.answer().await.status, 200, "just below the limit");
    client.send(head(17 << 10)).await;
    assert_eq!(client.answer().await.status, 431);
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_small_limit_on_heads_holds_too() {
    let world = World::new();
    let served = world.serve(Limits { header_bytes: 256, ..Limits::default() }, hello()).await;
    assert_eq!(served.get("/").await.status, 200);
    let much = "m".repeat(300);
    let mut client = served.connect().await;
    client.send(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Much: {much}\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 431);
}

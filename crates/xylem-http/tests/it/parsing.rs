//! Requests that parsers disagree about, and old ones.

use axum::Router;
use axum::routing::{get, post};
use xylem_http::Limits;

use crate::support::{Client, World};

/// Echoes bodies; the route `/secret` must never be reached by what looked like a body.
async fn client() -> Client {
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: String| async { body }))
        .route("/secret", get(|| async { "smuggled" }));
    World::new().serve(Limits::default(), router).await.connect().await
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let mut client = client().await;
    let echo = |text: &str| {
        let length = text.len();
        format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{text}")
    };
    client.send(["one", "two", "three"].map(echo).concat()).await;
    for expected in ["one", "two", "three"] {
        assert_eq!(client.answer().await.body, expected);
    }
}

#[tokio::test]
async fn a_request_of_http_1_0_is_answered_and_its_connection_closed() {
    let mut client = client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn http_1_0_with_keep_alive_keeps_the_connection() {
    let mut client = client().await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
        assert_eq!(client.answer().await.body, "hello");
    }
}

/// What an attacker hides behind a request whose length is put in two ways.
const SMUGGLED: &str = "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n";

/// The parser takes the length by `Transfer-Encoding` and gives up the connection (RFC 9112
/// section 6.3), so that a proxy which goes by `Content-Length` cannot be made to disagree.
#[tokio::test]
async fn behind_a_request_with_both_lengths_nothing_is_taken_for_a_request() {
    let body = format!("0\r\n\r\n{SMUGGLED}");
    let by_length = format!("Content-Length: {}\r\n", body.len());
    let by_chunks = "Transfer-Encoding: chunked\r\n";
    for lengths in [format!("{by_length}{by_chunks}"), format!("{by_chunks}{by_length}")] {
        let mut client = client().await;
        client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\n{lengths}\r\n{body}")).await;
        let everything = client.rest().await;
        assert!(!everything.contains("smuggled"), "{everything}");
        assert!(!everything.contains("GET /secret"), "{everything}");
        assert!(everything.matches("HTTP/1.1 ").count() <= 1, "{everything}");
    }
}

#[tokio::test]
async fn malformed_heads_are_refused_and_their_connections_closed() {
    for (head, why) in [
        ("Content-Length: 1\r\nContent-Length: 2\r\n", "two lengths"),
        ("Content-Length: 1, 2\r\n", "two lengths in one line"),
        ("Content-Length: +1\r\n", "a length with a sign"),
        ("Content-Length: -1\r\n", "a negative length"),
        ("Content-Length: 99999999999999999999\r\n", "a length beyond 64 bits"),
        ("Transfer-Encoding: chunked, identity\r\n", "chunked is not the last encoding"),
        ("Transfer-Encoding : chunked\r\n", "a space before the colon"),
        ("X-Folded: one\r\n two\r\n", "a folded header"),
        ("X-Nul: \0\r\n", "a control character"),
        ("no colon\r\n", "no header"),
    ] {
        let mut client = client().await;
        client.send(format!("POST /echo HTTP/1.1\r\nHost: x\r\n{head}\r\n")).await;
        assert_eq!(client.answer().await.status, 400, "{why}");
        assert_eq!(client.rest().await, "", "{why}");
    }
}

#[tokio::test]
async fn a_chunk_that_is_none_ends_the_connection() {
    let mut client = client().await;
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("{head}zz\r\n{SMUGGLED}")).await;
    let everything = client.rest().await;
    assert!(!everything.contains("smuggled") && !everything.contains(" 200 "), "{everything}");
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let mut client = client().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let everything = client.rest().await;
    assert!(!everything.contains(" 200 "), "{everything}");
}

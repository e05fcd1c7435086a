//! Bodies that nobody reads.

use axum::Router;
use axum::routing::{post, put};
use http::StatusCode;
use xylem_http::Limits;

use crate::support::{Client, World};

/// Refuses at `/refused` without a look at the body; reads at `/read`.
async fn client() -> Client {
    let router = Router::new()
        .route("/refused", put(|| async { StatusCode::FORBIDDEN }))
        .route("/read", post(|body: String| async { body }));
    World::new().serve(Limits::default(), router).await.connect().await
}

/// Sends a head and, once the server had time to answer, the body.
async fn put_slowly(client: &mut Client, headers: &str, body: &str) {
    client.send(format!("PUT /refused HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    client.send(body).await;
}

#[tokio::test]
async fn after_a_small_body_that_nobody_read_the_connection_goes_on() {
    let mut client = client().await;
    for _ in 0..3 {
        put_slowly(&mut client, "Content-Length: 5\r\n", "small").await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 403);
        assert!(!answer.headers.contains_key("connection"), "{answer:?}");
    }
    let chunks = "Transfer-Encoding: chunked\r\n";
    client
        .send(format!("POST /read HTTP/1.1\r\nHost: x\r\n{chunks}\r\n2\r\nok\r\n0\r\n\r\n"))
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.body, "ok");
    assert!(!answer.headers.contains_key("connection"), "{answer:?}");
}

#[tokio::test]
async fn a_connection_that_a_body_is_left_on_is_said_to_end() {
    for headers in [
        "Content-Length: 100000\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nExpect: 100-continue\r\n",
    ] {
        let mut client = client().await;
        put_slowly(&mut client, headers, "").await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.headers["connection"], "close", "{headers}");
        assert_eq!(client.rest().await, "");
    }
}

#[tokio::test]
async fn the_rest_of_a_small_body_is_not_awaited_for_long() {
    let mut client = client().await;
    put_slowly(&mut client, "Content-Length: 5\r\n", "sma").await;
    assert_eq!(client.answer().await.headers["connection"], "close");
}

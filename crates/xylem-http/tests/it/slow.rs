//! Peers that take their time.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request};
use axum::routing::{get, post};
use http::StatusCode;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use xylem_http::Limits;

use crate::support::{SHORT, World};

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

#[tokio::test]
async fn a_stalled_handshake_holds_up_nobody() {
    let world = World::new();
    let limits = Limits { handshake: Duration::from_secs(600), ..Limits::default() };
    let served = world.serve(limits, hello()).await;
    let stalled = served.tcp().await;
    assert_eq!(served.get("/").await.body, "hello");
    let error = stalled.try_read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "it is still in its handshake");
}

#[tokio::test]
async fn a_stalled_handshake_is_cut() {
    let world = World::new();
    let served = world.serve(Limits { handshake: SHORT, ..Limits::default() }, hello()).await;
    let mut stalled = served.tcp().await;
    assert_eq!(stalled.read(&mut [0]).await.unwrap(), 0, "closed by the server");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut() {
    let world = World::new();
    let served = world.serve(Limits { header: SHORT, ..Limits::default() }, hello()).await;
    let mut client = served.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n").await;
    // One more header at a time does not buy more time.
    let (mut reading, mut writing) = tokio::io::split(client.0);
    let dripping = tokio::spawn(async move {
        loop {
            let piece = b"X-Drip: drop\r\n";
            if writing.write_all(piece).await.is_err() {
                return;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let mut answer = Vec::new();
    let _ = reading.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    dripping.abort();
}

#[tokio::test]
async fn a_kept_connection_that_idles_is_closed() {
    let world = World::new();
    let limits = Limits { header: Duration::from_secs(2), ..Limits::default() };
    let served = world.serve(limits, hello()).await;
    let mut client = served.connect().await;
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.get("/").await.status, 200, "kept at first");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed() {
    let world = World::new();
    let served = world.serve(Limits { header: SHORT, ..Limits::default() }, hello()).await;
    let mut client = served.connect().await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_body_that_stops_arriving_fails_in_the_handler() {
    let world = World::new();
    let router = Router::new().route(
        "/",
        post(|body: Result<Bytes, BytesRejection>| async move {
            let message = body.unwrap_err().body_text();
            (StatusCode::BAD_REQUEST, message)
        }),
    );
    let served = world.serve(Limits { body: SHORT, ..Limits::default() }, router).await;
    let mut client = served.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this").await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("arrives too slowly"), "{}", answer.body);
    assert_eq!(client.rest().await, "", "what might still come is not waited for");
}

#[tokio::test]
async fn a_body_that_drips_is_cut_although_something_always_comes() {
    let world = World::new();
    let router = Router::new()
        .route("/", post(|_: Bytes| async { "all of it" }))
        .layer(DefaultBodyLimit::disable());
    let served = world.serve(Limits { body: SHORT, ..Limits::default() }, router).await;
    let mut client = served.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n").await;
    let (mut reading, mut writing) = tokio::io::split(client.0);
    let dripping = tokio::spawn(async move {
        while writing.write_all(b"d").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let mut answer = Vec::new();
    let _ = reading.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    dripping.abort();
}

#[tokio::test]
async fn a_handler_may_think_for_longer_than_a_body_may_stall() {
    let world = World::new();
    let router = Router::new().route(
        "/",
        post(|request: Request| async {
            tokio::time::sleep(SHORT * 3).await;
            axum::body::to_bytes(request.into_body(), 100).await.unwrap()
        }),
    );
    let limits = Limits { body: SHORT * 2, ..Limits::default() };
    let served = world.serve(limits, router).await;
    let answer = served.connect().await.post("/", "", "patience").await;
    assert_eq!(answer.body, "patience");
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_cut() {
    let (cut, mut was_cut) = mpsc::unbounded_channel();
    let world = World::new();
    let router = Router::new().route(
        "/",
        get(move || {
            let endless = Endless { piece: vec![0; 64 << 10].into(), cut: cut.clone() };
            async { Body::new(endless) }
        }),
    );
    let served = world.serve(Limits { stall: SHORT, ..Limits::default() }, router).await;
    let mut client = served.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    was_cut.recv().await.unwrap();
    drop(client);
}

/// A body without end, which tells when it is dropped.
struct Endless {
    piece: Bytes,
    cut: mpsc::UnboundedSender<()>,
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.cut.send(());
    }
}

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }
}

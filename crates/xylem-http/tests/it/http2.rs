//! HTTP/2, for clients that offer it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use http::{Request, StatusCode, Version};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinHandle;
use xylem_http::Limits;

use crate::drain::Gate;
use crate::support::{SHORT, Served, World};

/// A connection over which HTTP/2 was agreed on.
async fn connect(
    world: &World,
    served: &Served,
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    let mut tls = (*world.client_config(None)).clone();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = served.try_connect(&Arc::new(tls)).await.unwrap().0;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    stream
}

async fn speak(world: &World, served: &Served) -> (SendRequest<Body>, JoinHandle<()>) {
    let io = TokioIo::new(connect(world, served).await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let running = tokio::spawn(async move {
        let _ = connection.await;
    });
    (sender, running)
}

fn ask(path: &str) -> Request<Body> {
    Request::get(format!("https://127.0.0.1{path}")).body(Body::empty()).unwrap()
}

async fn text(answer: http::Response<hyper::body::Incoming>) -> String {
    let bytes = axum::body::to_bytes(Body::new(answer.into_body()), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn many_requests_at_once_go_over_one_connection() {
    let world = World::new();
    let gate = Gate::new();
    let router = gate.router().route("/echo", post(|body: Bytes| async { body }));
    let served = world.serve(Limits::default(), router).await;
    let (mut sender, _running) = speak(&world, &served).await;
    let slow = sender.send_request(ask("/slow"));
    let mut others = Vec::new();
    for number in 0..20 {
        let request = Request::post("https://127.0.0.1/echo").body(Body::from(format!("{number}")));
        others.push(sender.send_request(request.unwrap()));
    }
    for (number, other) in others.into_iter().enumerate() {
        let answer = other.await.unwrap();
        assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
        assert!(answer.headers().contains_key("x-request-id"));
        assert_eq!(text(answer).await, number.to_string());
    }
    gate.open.add_permits(1);
    assert_eq!(text(slow.await.unwrap()).await, "finished");
}

#[tokio::test]
async fn an_answer_in_flight_finishes_before_the_connection_ends() {
    let world = World::new();
    let gate = Gate::new();
    let served = world.serve(Limits::default(), gate.router()).await;
    let (mut sender, running) = speak(&world, &served).await;
    let slow = tokio::spawn(sender.send_request(ask("/slow")));
    gate.reached.acquire().await.unwrap().forget();
    served.shutdown.begin();
    gate.open.add_permits(1);
    assert_eq!(text(slow.await.unwrap().unwrap()).await, "finished");
    running.await.unwrap();
    served.task.await.unwrap();
}

#[tokio::test]
async fn connections_that_are_not_used_are_closed() {
    let world = World::new();
    let limits = Limits { header: SHORT, ..Limits::default() };
    let served = world.serve(limits, Router::new().route("/", get(|| async { "hello" }))).await;
    // One that never says anything.
    let mut silent = connect(&world, &served).await;
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest).await;
    // One that was used once.
    let (mut sender, running) = speak(&world, &served).await;
    assert_eq!(text(sender.send_request(ask("/")).await.unwrap()).await, "hello");
    running.await.unwrap();
    assert!(sender.ready().await.is_err());
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let world = World::new();
    let limits = Limits { header_bytes: 16 << 10, ..Limits::default() };
    let served = world.serve(limits, Router::new().route("/", get(|| async { "hello" }))).await;
    let (mut sender, _running) = speak(&world, &served).await;
    let mut request = ask("/");
    request.headers_mut().insert("x-large", "x".repeat(17 << 10).parse().unwrap());
    let answer = sender.send_request(request).await;
    let status = answer.map(|answer| answer.status());
    assert!(!matches!(status, Ok(StatusCode::OK)), "{status:?}");
}

#[tokio::test]
async fn a_body_that_stops_arriving_fails_its_request_only() {
    let world = World::new();
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async { body }));
    let served = world.serve(Limits { body: SHORT, ..Limits::default() }, router).await;
    let (mut sender, _running) = speak(&world, &served).await;
    let endless = futures_util::stream::pending::<Result<Bytes, Infallible>>();
    let request = Request::post("https://127.0.0.1/echo").body(Body::from_stream(endless)).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(text(sender.send_request(ask("/")).await.unwrap()).await, "hello");
}

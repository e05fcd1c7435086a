//! Waits, each with its limit.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use tokio::net::TcpListener;
use xylem_client::{BaseUrl, ClientError, Deadlines, Transport, channel_body, full_body};

use crate::support::{Reply, SHORT, World, get, post};

/// Longer than any test lasts.
const LONG: Duration = Duration::from_secs(600);

fn patient(transport: &Transport) -> Transport {
    transport.with_deadlines(Deadlines { connect: LONG, answer: LONG, stall: LONG })
}

fn with(transport: &Transport, change: impl FnOnce(&mut Deadlines)) -> Transport {
    let mut deadlines = Deadlines { connect: LONG, answer: LONG, stall: LONG };
    change(&mut deadlines);
    transport.with_deadlines(deadlines)
}

/// Checks that a limit ran out, and that the server is named.
fn assert_timeout(error: &ClientError, server: &BaseUrl, expected: &str) {
    let ClientError::Timeout { doing, limit, .. } = error else { panic!("{error:?}") };
    assert_eq!((*doing, *limit), (expected, SHORT));
    assert!(error.to_string().starts_with(&server.to_string()), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_is_given_up() {
    let world = World::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = BaseUrl::new("127.0.0.1", silent.local_addr().unwrap().port());
    let transport = with(&world.transport(), |limits| limits.connect = SHORT);
    let error = get(&transport, &url).await.unwrap_err();
    assert_timeout(&error, &url, "connecting");
    assert!(matches!(transport.peer(&url).await, Err(ClientError::Timeout { .. })));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let world = World::new();
    let server = world.fake(|_| Reply::nothing().then_hang()).await;
    let transport = with(&world.transport(), |limits| limits.answer = SHORT);
    assert_timeout(&get(&transport, &server.url).await.unwrap_err(), &server.url, "an answer");
    assert_timeout(&post(&transport, &server.url).await.unwrap_err(), &server.url, "an answer");
    assert_eq!(server.asked().len(), 2, "neither is sent again");
}

#[tokio::test]
async fn an_answer_that_stalls_is_given_up() {
    let world = World::new();
    let server = world.fake(|_| Reply::stream(&["\"hel"]).then_hang()).await;
    let transport = with(&world.transport(), |limits| limits.stall = SHORT);
    let error = get(&transport, &server.url).await.unwrap_err();
    assert_timeout(&error, &server.url, "sending more of its answer");
}

#[tokio::test]
async fn the_next_call_does_not_use_a_connection_that_timed_out() {
    let world = World::new();
    let server = world
        .fake(|asked| match asked.number {
            0 => Reply::nothing().then_hang(),
            _ => Reply::json("\"hello\""),
        })
        .await;
    let transport = world.transport();
    let hasty = with(&transport, |limits| limits.answer = SHORT);
    get(&hasty, &server.url).await.unwrap_err();
    assert_eq!(get(&patient(&transport), &server.url).await.unwrap(), "hello");
    assert_eq!(server.handshakes(), 2);
}

#[tokio::test]
async fn a_long_request_may_take_longer_than_an_answer() {
    let world = World::new();
    let server = world.fake(|_| Reply::json("\"thanks\"")).await;
    let transport = with(&world.transport(), |limits| {
        limits.answer = SHORT * 2;
        limits.stall = SHORT * 2;
    });
    let (pieces, body) = channel_body();
    let producing = async move {
        for _ in 0..6 {
            tokio::time::sleep(SHORT).await;
            pieces.send(Ok(Bytes::from_static(b"piece"))).await.unwrap();
        }
    };
    let request = Request::builder().method(Method::POST).uri("/").body(body).unwrap();
    let (answer, ()) = tokio::join!(transport.send(&server.url, request), producing);
    let answer = answer.unwrap().into_body().collect(100).await.unwrap();
    assert_eq!(&answer[..], b"\"thanks\"");
    assert_eq!(server.asked()[0].body, b"piece".repeat(6));
}

#[tokio::test]
async fn a_server_that_takes_nothing_of_a_request_is_given_up() {
    let world = World::new();
    let tls = world.server_config(xylem_pki::ClientAuth::None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = BaseUrl::new("127.0.0.1", listener.local_addr().unwrap().port());
    let refusing = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = tokio_rustls::TlsAcceptor::from(tls).accept(stream).await.unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    });
    let transport = with(&world.transport(), |limits| limits.stall = SHORT);
    let (pieces, body) = channel_body();
    let producing =
        tokio::spawn(
            async move { while pieces.send(Ok(vec![0; 1 << 20].into())).await.is_ok() {} },
        );
    let request = Request::builder().method(Method::PUT).uri("/").body(body).unwrap();
    let Err(error) = transport.send(&url, request).await else { panic!("an answer from nobody") };
    assert_timeout(&error, &url, "taking the request");
    producing.await.unwrap();
    refusing.abort();
}

#[tokio::test]
async fn a_body_in_memory_is_sent_whole() {
    let world = World::new();
    let server = world.fake(|_| Reply::json("\"thanks\"")).await;
    let body = full_body(vec![7; 1 << 20]);
    let request = Request::builder().method(Method::PUT).uri("/").body(body).unwrap();
    patient(&world.transport()).send(&server.url, request).await.unwrap();
    assert_eq!(server.asked()[0].header("content-length"), Some("1048576"));
    assert_eq!(server.asked()[0].body, vec![7; 1 << 20]);
}

//! Bodies that are produced while they are sent.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request, header};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use xylem_client::{BaseUrl, ClientError, RequestBody, channel_body};
use xylem_pki::ClientAuth;

use crate::support::{Reply, World};

fn put(body: RequestBody) -> Request<RequestBody> {
    Request::builder().method(Method::PUT).uri("/").body(body).unwrap()
}

fn put_of_length(body: RequestBody, length: u64) -> Request<RequestBody> {
    let put = Request::builder().method(Method::PUT).uri("/");
    put.header(header::CONTENT_LENGTH, length).body(body).unwrap()
}

#[tokio::test]
async fn whoever_produces_a_body_waits_for_whoever_takes_it() {
    const PIECE: usize = 1 << 20;
    let world = World::new();
    let tls = world.server_config(ClientAuth::None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = BaseUrl::new("127.0.0.1", listener.local_addr().unwrap().port());
    let taking_nothing = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = TlsAcceptor::from(tls).accept(stream).await.unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    });
    let (pieces, body) = channel_body();
    let produced = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&produced);
    let producing = tokio::spawn(async move {
        while pieces.send(Ok(vec![0; PIECE].into())).await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let transport = world.transport();
    let sending = tokio::spawn(async move { transport.send(&url, put(body)).await.is_ok() });

    // It comes to a stand, well before a gigabyte: the buffers between are full.
    let mut before = usize::MAX;
    loop {
        tokio::time::sleep(crate::support::SHORT).await;
        let now = produced.load(Ordering::SeqCst);
        assert!(now < 1024, "nothing holds it back");
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    sending.abort();
    producing.await.unwrap();
    taking_nothing.abort();
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_body_ends_the_request() {
    let world = World::new();
    let server = world.fake(|_| Reply::json("\"thanks\"")).await;
    for with_length in [false, true] {
        let (pieces, body) = channel_body();
        pieces.send(Ok(Bytes::from_static(b"half"))).await.unwrap();
        pieces.send(Err(io::Error::other("the disk is gone"))).await.unwrap();
        let request = if with_length { put_of_length(body, 8) } else { put(body) };
        let Err(error) = world.transport().send(&server.url, request).await else {
            panic!("half a body is taken for a whole one")
        };
        assert!(matches!(error, ClientError::Source(_)), "{error:?}");
        assert!(!error.is_transient(), "it is our own fault");
        assert!(chain(&error).contains("the disk is gone"), "{}", chain(&error));
    }
    assert!(server.asked().is_empty(), "the server never sees a whole request");
}

fn chain(error: &dyn std::error::Error) -> String {
    let source = error.source().map(chain).unwrap_or_default();
    format!("{error}: {source}")
}

#[tokio::test]
async fn a_body_shorter_than_announced_ends_the_request() {
    let world = World::new();
    let server = world.fake(|_| Reply::json("\"thanks\"")).await;
    let (pieces, body) = channel_body();
    pieces.send(Ok(Bytes::from_static(b"half"))).await.unwrap();
    drop(pieces);
    let outcome = world.transport().send(&server.url, put_of_length(body, 8)).await;
    assert!(outcome.is_err(), "half a body is taken for a whole one");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_answer_that_comes_before_the_end_of_the_request_is_heard() {
    let world = World::new();
    let tls = world.server_config(ClientAuth::None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = BaseUrl::new("127.0.0.1", listener.local_addr().unwrap().port());
    let refusing = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(tls).accept(stream).await.unwrap();
        let answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        stream.flush().await.unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    });
    let (pieces, body) = channel_body();
    pieces.send(Ok(Bytes::from_static(b"a piece"))).await.unwrap();
    let Err(error) = world.transport().send(&url, put(body)).await else { panic!("it is refused") };
    assert!(matches!(error, ClientError::Answer { status: 413, .. }), "{error:?}");
    // The rest of the body is not sent to somebody who has refused it.
    pieces.closed().await;
    refusing.abort();
}

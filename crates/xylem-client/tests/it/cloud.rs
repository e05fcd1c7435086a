//! Requests to a provider of cloud storage.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;
use xylem_client::{ClientError, CloudClient, channel_body};
use xylem_cloud::{Body, CloudRequest, Endpoint, Header, MAX_ANSWER_BYTES};
use xylem_pki::{PublicRoots, public_client_config};
use xylem_runtime::{Environment, GuardedNet, Net, RealNet};

use crate::support::{FakeServer, Reply, World};

fn client_of(world: &World, environment: Environment) -> CloudClient {
    let roots = PublicRoots::from_pem(world.authority.root_pem().as_bytes()).unwrap();
    let tls = public_client_config(&roots, Arc::clone(&environment.clock)).unwrap();
    CloudClient::new(environment, tls)
}

fn client(world: &World) -> CloudClient {
    client_of(world, world.environment.clone())
}

fn request(server: &FakeServer, method: Method, body: Body) -> CloudRequest {
    let port = server.url.port();
    CloudRequest {
        method,
        endpoint: Endpoint::parse(&format!("https://127.0.0.1:{port}")).unwrap(),
        path: "/b/k%20%2B%C3%A9".into(),
        query: "partNumber=1&X-Signature=planted".into(),
        headers: vec![Header { name: Cow::Borrowed("x-amz-date"), value: "planted".into() }],
        body,
    }
}

#[tokio::test]
async fn a_request_goes_out_as_it_was_signed() {
    let world = World::new();
    let server = world.fake(|_| Reply::with("200 OK", "ETag: \"e\"\r\n", "done")).await;
    let put = request(&server, Method::PUT, Body::Bytes(b"bytes".to_vec()));
    let answer = client(&world).send(&put).await.unwrap();
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"e\"")));
    assert_eq!(answer.body, b"done");
    let asked = server.asked();
    let line = asked[0].head.lines().next().unwrap();
    assert_eq!(line, "PUT /b/k%20%2B%C3%A9?partNumber=1&X-Signature=planted HTTP/1.1");
    assert_eq!(asked[0].header("host"), Some(&*put.endpoint.authority()));
    assert_eq!(asked[0].header("x-amz-date"), Some("planted"));
    assert_eq!(asked[0].header("content-length"), Some("5"));
    assert_eq!(asked[0].body, b"bytes");
}

#[tokio::test]
async fn a_request_without_bytes_says_so_where_its_method_calls_for_some() {
    let world = World::new();
    let server = world.fake(|_| Reply::with("204 No Content", "", "")).await;
    for (method, length) in [(Method::POST, Some("0")), (Method::GET, None), (Method::DELETE, None)]
    {
        client(&world).send(&request(&server, method, Body::None)).await.unwrap();
        assert_eq!(server.asked().last().unwrap().header("content-length"), length);
    }
}

#[tokio::test]
async fn answers_of_any_status_come_back_and_nothing_is_followed() {
    let world = World::new();
    let server = world
        .fake(|asked| match asked.number {
            0 => Reply::with("403 Forbidden", "", "<Error/>"),
            1 => Reply::with("301 Moved Permanently", "Location: https://h/\r\n", ""),
            _ => Reply::with("503 Slow Down", "Retry-After: 7\r\n", ""),
        })
        .await;
    let client = client(&world);
    let get = request(&server, Method::GET, Body::None);
    let answer = client.send(&get).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (403, &b"<Error/>"[..]));
    assert_eq!(client.send(&get).await.unwrap().status, 301);
    assert_eq!(client.send(&get).await.unwrap().retry_after().unwrap().as_secs(), 7);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_cut() {
    let world = World::new();
    let server = world.fake(|_| Reply::with("200 OK", "", vec![b'x'; MAX_ANSWER_BYTES + 9])).await;
    let answer = client(&world).send(&request(&server, Method::GET, Body::None)).await.unwrap();
    assert_eq!(answer.body.len(), MAX_ANSWER_BYTES);
}

#[tokio::test]
async fn the_bytes_of_a_piece_come_from_whoever_has_them() {
    let world = World::new();
    let server = world.fake(|_| Reply::with("200 OK", "", "")).await;
    let put = request(&server, Method::PUT, Body::Piece { size: 10 });
    let told = client(&world).send(&put).await.unwrap_err();
    assert!(matches!(told, ClientError::Protocol { .. }), "{told:?}");
    assert!(server.asked().is_empty());

    let (pieces, body) = channel_body();
    for piece in [&b"first"[..], b"other"] {
        pieces.send(Ok(piece.into())).await.unwrap();
    }
    drop(pieces);
    client(&world).send_piece(&put, body).await.unwrap();
    assert_eq!(server.asked()[0].header("content-length"), Some("10"));
    assert_eq!(server.asked()[0].body, b"firstother");
}

#[tokio::test]
async fn own_addresses_are_refused_and_no_message_has_the_query() {
    let world = World::new();
    let server = world.fake(|_| Reply::with("200 OK", "", "")).await;
    let get = request(&server, Method::GET, Body::None);
    let guarded = |named: &[&str]| {
        let net: Arc<dyn Net> = Arc::new(RealNet);
        let net = Arc::new(GuardedNet::new(net, named));
        client_of(&world, Environment { net, ..world.environment.clone() })
    };
    let told = guarded(&[]).send(&get).await.unwrap_err();
    let source = std::error::Error::source(&told).unwrap().to_string();
    assert!(source.contains("not a public one"), "{source}");
    assert!(!format!("{told} {told:?} {source}").contains("planted"), "{told:?}");
    assert!(server.asked().is_empty());
    guarded(&["127.0.0.1"]).send(&get).await.unwrap();
}

#[tokio::test]
async fn a_provider_of_another_authority_is_not_believed() {
    let (world, other) = (World::new(), World::new());
    let server = other.fake(|_| Reply::with("200 OK", "", "")).await;
    let get = request(&server, Method::GET, Body::None);
    let told = client(&world).send(&get).await.unwrap_err();
    assert!(matches!(told, ClientError::Tls { .. }), "{told:?}");
    assert!(server.asked().is_empty());
}

/// What becomes of a request whose answer is lost on a kept connection.
async fn after_a_lost_answer(
    method: Method,
    body: Body,
    more: &[(&'static str, &str)],
) -> (Result<u16, ClientError>, Vec<Vec<u8>>) {
    let world = World::new();
    let server = world
        .fake(|asked| match asked.number {
            1 => Reply::nothing().then_drop(),
            _ => Reply::with("200 OK", "", ""),
        })
        .await;
    let client = client(&world);
    client.send(&request(&server, Method::GET, Body::None)).await.unwrap();
    let mut second = request(&server, method, body);
    second.headers.extend(
        more.iter()
            .map(|(name, value)| Header { name: Cow::Borrowed(*name), value: (*value).into() }),
    );
    let told = client.send(&second).await.map(|answer| answer.status);
    (told, server.asked().into_iter().skip(1).map(|asked| asked.body).collect())
}

#[tokio::test]
async fn what_is_the_same_twice_goes_out_again_where_a_kept_connection_was_closed() {
    let bytes = || Body::Bytes(b"bytes".to_vec());
    let (told, asked) = after_a_lost_answer(Method::PUT, bytes(), &[]).await;
    assert_eq!((told.unwrap(), asked), (200, vec![b"bytes".to_vec(); 2]));
    for method in [Method::DELETE, Method::GET, Method::HEAD] {
        let (told, asked) = after_a_lost_answer(method, Body::None, &[]).await;
        assert_eq!((told.unwrap(), asked.len()), (200, 2));
    }
    // It would be refused for what it did itself.
    let only_new = [("if-none-match", "*")];
    for (method, more) in [(Method::PUT, &only_new[..]), (Method::POST, &[])] {
        let (told, asked) = after_a_lost_answer(method, bytes(), more).await;
        assert!(matches!(told, Err(ClientError::Broken { .. })), "{told:?}");
        assert_eq!(asked.len(), 1);
    }
}

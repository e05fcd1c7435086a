//! Contents of a cloud, by addresses that were made for them.

use std::sync::Arc;

use xylem_client::{ClientError, CloudContentClient, ContentAnswer, Deadlines};
use xylem_pki::{PublicRoots, public_client_config};

use crate::support::{FakeServer, Reply, SHORT, World};

fn client(world: &World, deadlines: Deadlines) -> CloudContentClient {
    let roots = PublicRoots::from_pem(world.authority.root_pem().as_bytes()).unwrap();
    let tls = public_client_config(&roots, Arc::clone(&world.environment.clock)).unwrap();
    CloudContentClient::new(world.environment.clone(), tls, deadlines)
}

fn url(server: &FakeServer) -> String {
    format!("https://127.0.0.1:{}/b/k%20%2B?X-Signature=planted&x=1", server.url.port())
}

/// Asks for ten bytes from an offset on; the cloud answers in this way.
async fn fetch(
    offset: u64,
    reply: impl Fn() -> Reply + Send + 'static,
) -> (FakeServer, Result<ContentAnswer, ClientError>) {
    let world = World::new();
    let server = world.fake(move |_| reply()).await;
    let answer = client(&world, Deadlines::default()).fetch(&url(&server), 10, offset).await;
    (server, answer)
}

async fn body(answer: ContentAnswer) -> Vec<u8> {
    answer.body.collect(1000).await.unwrap().to_vec()
}

#[tokio::test]
async fn an_object_is_asked_for_by_its_address_and_nothing_else() {
    let (server, answer) =
        fetch(0, || Reply::with("200 OK", "ETag: \"e\"\r\n", "0123456789")).await;
    let answer = answer.unwrap();
    assert_eq!((answer.offset, answer.size), (0, 10));
    assert_eq!(body(answer).await, b"0123456789");
    let asked = &server.asked()[0];
    let line = asked.head.lines().next().unwrap();
    assert_eq!(line, "GET /b/k%20%2B?X-Signature=planted&x=1 HTTP/1.1");
    assert_eq!(asked.header("host"), Some(&*format!("127.0.0.1:{}", server.url.port())));
    for header in ["range", "if-range", "authorization", "prefer"] {
        assert_eq!(asked.header(header), None);
    }
}

#[tokio::test]
async fn the_rest_is_asked_for_by_its_place() {
    let (server, answer) = fetch(4, || {
        Reply::with("206 Partial Content", "Content-Range: bytes 4-9/10\r\n", "456789")
    })
    .await;
    let answer = answer.unwrap();
    assert_eq!((answer.offset, answer.size), (4, 10));
    assert_eq!(body(answer).await, b"456789");
    assert_eq!(server.asked()[0].header("range"), Some("bytes=4-9"));
    assert_eq!(server.asked()[0].header("if-range"), None);

    let (_server, answer) = fetch(4, || {
        Reply::with("206 Partial Content", "Content-Range: bytes 4-11/12\r\n", "456789ab")
    })
    .await;
    assert_eq!(answer.unwrap().size, 12, "another size is told, to be compared");
}

#[tokio::test]
async fn a_cloud_that_knows_no_ranges_begins_anew() {
    let (_server, answer) = fetch(4, || Reply::with("200 OK", "", "0123456789")).await;
    assert_eq!(answer.unwrap().offset, 0);
    let (_server, answer) = fetch(4, || Reply::stream(&["01234", "56789"]).end()).await;
    let answer = answer.unwrap();
    assert_eq!((answer.offset, answer.size), (0, 10));
    assert_eq!(body(answer).await, b"0123456789");
}

#[tokio::test]
async fn another_part_than_was_asked_for_is_refused() {
    for range in [
        "",
        "Content-Range: bytes 0-9/10\r\n",
        "Content-Range: bytes 4-8/10\r\n",
        "Content-Range: bytes 4-9/*\r\n",
    ] {
        let (_server, answer) =
            fetch(4, move || Reply::with("206 Partial Content", range, "456789")).await;
        let Err(error) = answer else { panic!("{range}") };
        assert!(matches!(error, ClientError::Protocol { .. }), "{range}: {error:?}");
    }
}

#[tokio::test]
async fn no_redirection_is_followed() {
    let to = "Location: https://elsewhere/?X-Signature=planted\r\n";
    for status in ["301 Moved Permanently", "307 Temporary Redirect", "302 Found"] {
        let (server, answer) = fetch(0, move || Reply::with(status, to, "")).await;
        let Err(error) = answer else { panic!("{status}") };
        assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("planted"), "{error:?}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code_and_repeats_nothing_that_was_signed() {
    let refused = || {
        let text = "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>planted</StringToSign>";
        Reply::with("403 Forbidden", "", text)
    };
    let ours = || {
        let text = r#"{"code":"not-found","message":"planted","request_id":"planted"}"#;
        Reply::with("404 Not Found", "Retry-After: 7\r\n", text)
    };
    let (_server, answer) = fetch(0, refused).await;
    let Err(error) = answer else { panic!("it was refused") };
    assert!(
        error.to_string().ends_with("answered 403 Forbidden (SignatureDoesNotMatch)"),
        "{error}"
    );
    let long = || {
        let text = format!("<Error><Code>SlowDown</Code>{}", "x".repeat(100_000));
        Reply::with("503 Slow Down", "", text)
    };
    let (_server, answer) = fetch(0, long).await;
    let Err(busy) = answer else { panic!("it was refused") };
    assert!(busy.to_string().ends_with("(SlowDown)"), "{busy}");
    let (_server, answer) = fetch(0, ours).await;
    let Err(other) = answer else { panic!("it was refused") };
    let ClientError::Answer { status: 404, retry_after: Some(_), .. } = &other else {
        panic!("{other:?}")
    };
    let printed = format!("{error} {error:?} {other} {other:?}");
    assert!(!printed.contains("planted"), "{printed}");
}

#[tokio::test]
async fn a_cloud_that_is_not_believed_is_asked_nothing() {
    let (world, other) = (World::new(), World::new());
    let server = other.fake(|_| Reply::with("200 OK", "", "0123456789")).await;
    let answer = client(&world, Deadlines::default()).fetch(&url(&server), 10, 0).await;
    let Err(error) = answer else { panic!("it is not believed") };
    assert!(matches!(error, ClientError::Tls { .. }), "{error:?}");
    assert!(server.asked().is_empty() && !format!("{error:?}").contains("planted"));
}

#[tokio::test]
async fn a_cloud_that_says_nothing_is_given_up() {
    let world = World::new();
    let server = world.fake(|_| Reply::nothing()).await;
    let deadlines = Deadlines { answer: SHORT, ..Deadlines::default() };
    let Err(error) = client(&world, deadlines).fetch(&url(&server), 10, 0).await else { panic!() };
    assert!(matches!(error, ClientError::Timeout { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("planted"));
}

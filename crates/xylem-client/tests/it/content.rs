//! Contents, whole and in part.

use xylem_client::{ClientError, ContentAnswer, ContentAuth, ContentClient};
use xylem_model::{ContentId, UploadId};

use crate::support::{FakeServer, Reply, World};

const CONTENT: ContentId = ContentId::from_bytes([0xab; 32]);

/// Asks from an offset on; the server answers in this way.
async fn fetch(
    offset: u64,
    reply: impl Fn() -> Reply + Send + 'static,
) -> (FakeServer, Result<ContentAnswer, ClientError>) {
    let world = World::new();
    let server = world.fake(move |_| reply()).await;
    let client = ContentClient::new(world.transport());
    let auth = ContentAuth::Certificate;
    let answer = client.fetch(&server.url, "/v1/blobs/x", &CONTENT, offset, &auth).await;
    (server, answer)
}

async fn body(answer: ContentAnswer) -> Vec<u8> {
    answer.body.collect(1000).await.unwrap().to_vec()
}

#[tokio::test]
async fn a_whole_content_is_asked_for_without_a_range() {
    let (server, answer) = fetch(0, || Reply::with("200 OK", "", "0123456789")).await;
    let answer = answer.unwrap();
    assert_eq!((answer.offset, answer.size), (0, 10));
    assert_eq!(body(answer).await, b"0123456789");
    let asked = &server.asked()[0];
    assert!(asked.head.starts_with("GET /v1/blobs/x HTTP/1.1\r\n"), "{}", asked.head);
    for header in ["range", "if-range", "authorization"] {
        assert_eq!(asked.header(header), None);
    }
}

#[tokio::test]
async fn the_rest_of_a_content_is_bound_to_that_content() {
    let (server, answer) = fetch(4, || {
        Reply::with("206 Partial Content", "Content-Range: bytes 4-9/10\r\n", "456789")
    })
    .await;
    let answer = answer.unwrap();
    assert_eq!((answer.offset, answer.size), (4, 10));
    assert_eq!(body(answer).await, b"456789");
    let asked = &server.asked()[0];
    assert_eq!(asked.header("range"), Some("bytes=4-"));
    assert_eq!(asked.header("if-range"), Some(format!("\"{CONTENT}\"").as_str()));
}

#[tokio::test]
async fn where_the_part_is_of_another_content_the_whole_comes_from_the_start() {
    let (_server, answer) = fetch(4, || Reply::with("200 OK", "", "abcdefghijkl")).await;
    let answer = answer.unwrap();
    assert_eq!((answer.offset, answer.size), (0, 12));
    assert_eq!(body(answer).await, b"abcdefghijkl");
}

#[tokio::test]
async fn a_part_that_is_not_the_one_asked_for_is_refused() {
    for range in [
        "",
        "Content-Range: bytes 0-9/10\r\n",
        "Content-Range: bytes 5-9/10\r\n",
        "Content-Range: bytes 4-8/10\r\n",
        "Content-Range: bytes 4-10/10\r\n",
        "Content-Range: bytes 4-3/4\r\n",
        "Content-Range: bytes 4-9/*\r\n",
        "Content-Range: bytes */10\r\n",
        "Content-Range: lines 4-9/10\r\n",
        "Content-Range: bytes -4-9/10\r\n",
        "Content-Range: bytes 4-18446744073709551615/0\r\n",
        "Content-Range: bytes 4-9\r\n",
        "Content-Type: multipart/byteranges; boundary=x\r\n",
    ] {
        let (_server, answer) =
            fetch(4, move || Reply::with("206 Partial Content", range, "456789")).await;
        let Err(error) = answer else { panic!("{range}") };
        assert!(matches!(error, ClientError::Protocol { .. }), "{range}: {error:?}");
    }
}

#[tokio::test]
async fn beyond_the_end_the_server_says_no() {
    let (_server, answer) =
        fetch(40, || Reply::with("416 Range Not Satisfiable", "Content-Range: bytes */10\r\n", ""))
            .await;
    let Err(error) = answer else { panic!("there is nothing beyond the end") };
    assert!(matches!(error, ClientError::Answer { status: 416, .. }), "{error:?}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_content_without_a_size_and_answers_without_content_are_refused() {
    for reply in [
        || Reply::stream(&["0123456789"]).end(),
        || Reply::raw("HTTP/1.1 204 No Content\r\n\r\n"),
        || Reply::raw("HTTP/1.1 304 Not Modified\r\n\r\n"),
        || Reply::with("307 Temporary Redirect", "Location: https://elsewhere/\r\n", ""),
    ] {
        let (server, answer) = fetch(0, reply).await;
        let Err(error) = answer else { panic!("{:?}", reply()) };
        assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_content_cut_short_is_broken_and_what_came_is_given() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234";
    let (_server, answer) = fetch(0, move || Reply::raw(head).then_drop()).await;
    let mut body = answer.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "01234");
    assert!(matches!(body.next().await, Err(ClientError::Broken { .. })));
}

#[tokio::test]
async fn a_ticket_goes_along_and_one_that_fits_no_header_goes_nowhere() {
    let world = World::new();
    let server = world.fake(|_| Reply::with("200 OK", "", "0123456789")).await;
    let client = ContentClient::new(world.transport());
    let auth = ContentAuth::Ticket("abc.def".to_owned());
    client.fetch(&server.url, "/p", &CONTENT, 0, &auth).await.unwrap();
    assert_eq!(server.asked()[0].header("authorization"), Some("Xylem-Ticket abc.def"));
    let auth = ContentAuth::Ticket("abc\r\nX-More: def".to_owned());
    let Err(error) = client.fetch(&server.url, "/p", &CONTENT, 0, &auth).await else { panic!() };
    assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_part_of_an_upload_is_sent_with_its_place_and_length() {
    let world = World::new();
    let progress = r#"{"offset":9,"size":20,"published":false}"#;
    let server = world.fake(move |_| Reply::json(progress)).await;
    let client = ContentClient::new(world.transport());
    let upload = UploadId::from_uuid(uuid::Uuid::from_u128(6));
    let (pieces, body) = xylem_client::channel_body();
    pieces.send(Ok("four".into())).await.unwrap();
    pieces.send(Ok("five!".into())).await.unwrap();
    drop(pieces);
    let progress = client.ingest(&server.url, upload, "t", 11, 9, body).await.unwrap();
    assert_eq!((progress.offset, progress.size, progress.published), (9, 20, false));
    let asked = &server.asked()[0];
    assert!(asked.head.starts_with(&format!("PUT /v1/ingest/{upload}?offset=11 ")));
    assert_eq!(
        (asked.header("content-length"), asked.body.as_slice()),
        (Some("9"), &b"fourfive!"[..])
    );
    client.complete(&server.url, upload, "t").await.unwrap();
    assert!(server.asked()[1].head.starts_with(&format!("POST /v1/ingest/{upload}/complete ")));
}

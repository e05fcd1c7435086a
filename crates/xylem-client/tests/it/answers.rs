//! Answers: good ones, refusals, and what is neither.

use std::time::Duration;

use xylem_api::error::ErrorCode;
use xylem_client::ClientError;

use crate::support::{Reply, World, get};

/// The error of a read that is answered in this way.
async fn error(reply: impl Fn() -> Reply + Send + 'static) -> ClientError {
    let world = World::new();
    let server = world.fake(move |_| reply()).await;
    get(&world.transport(), &server.url).await.unwrap_err()
}

#[tokio::test]
async fn an_error_body_becomes_an_answer_with_its_code_and_the_time_to_come_back() {
    let body = r#"{"code":"unavailable","message":"the database is away","request_id":"r7"}"#;
    let error =
        error(move || Reply::with("503 Service Unavailable", "Retry-After: 12\r\n", body)).await;
    assert_eq!(error.to_string(), "the database is away");
    assert_eq!(error.code(), Some(ErrorCode::Unavailable));
    assert!(error.is_transient());
    let ClientError::Answer { status, body, retry_after } = error else { panic!("{error:?}") };
    assert_eq!((status, body.request_id.as_str()), (503, "r7"));
    assert_eq!(retry_after, Some(Duration::from_secs(12)));
}

#[tokio::test]
async fn a_retry_after_that_is_a_date_is_passed_over() {
    let header = "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n";
    let error = error(move || Reply::with("503 Service Unavailable", header, "")).await;
    let ClientError::Answer { retry_after: None, status: 503, .. } = error else {
        panic!("{error:?}")
    };
}

#[tokio::test]
async fn an_error_page_of_a_proxy_is_an_answer_too() {
    let page = "<html><body>Bad Gateway</body></html>";
    let error = error(move || Reply::with("502 Bad Gateway", "", page)).await;
    assert_eq!(error.code(), Some(ErrorCode::Unavailable));
    assert!(error.is_transient());
    assert!(error.to_string().ends_with("answered 502 Bad Gateway"), "{error}");
    assert!(error.to_string().starts_with("https://127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn statuses_without_a_body_of_ours_have_the_fitting_word() {
    for (status, code) in [
        ("400 Bad Request", ErrorCode::BadRequest),
        ("401 Unauthorized", ErrorCode::Unauthorized),
        ("404 Not Found", ErrorCode::NotFound),
        ("413 Content Too Large", ErrorCode::TooLarge),
        ("429 Too Many Requests", ErrorCode::TooManyRequests),
        ("431 Request Header Fields Too Large", ErrorCode::BadRequest),
        ("500 Internal Server Error", ErrorCode::Internal),
        ("507 Insufficient Storage", ErrorCode::NoSpace),
    ] {
        let error = error(move || Reply::with(status, "", "")).await;
        assert_eq!(error.code(), Some(code), "{status}");
    }
}

#[tokio::test]
async fn an_endless_error_page_is_bounded_and_still_an_answer() {
    let piece = "e".repeat(16 << 10);
    let error = error(move || {
        let pieces = vec![piece.as_str(); 16];
        let head = "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n";
        Reply::stream_after(head, &pieces).then_hang()
    })
    .await;
    assert!(matches!(error, ClientError::Answer { status: 503, .. }), "{error:?}");
}

#[tokio::test]
async fn an_error_body_that_is_cut_off_is_still_an_answer() {
    let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\n{\"code\":";
    let error = error(move || Reply::raw(head).then_drop()).await;
    assert!(matches!(error, ClientError::Answer { status: 503, .. }), "{error:?}");
}

#[tokio::test]
async fn an_over_long_answer_is_refused_before_it_is_held() {
    let megabyte = "m".repeat(1 << 20);
    // One more than allowed, and no end: waiting for it would hang.
    let error = error(move || Reply::stream(&vec![megabyte.as_str(); 65]).then_hang()).await;
    let ClientError::Protocol { reason, .. } = &error else { panic!("{error:?}") };
    assert!(reason.contains("longer than 67108864 bytes"), "{error}");
}

#[tokio::test]
async fn an_answer_cut_short_of_its_length_is_broken() {
    for end in [Reply::then_drop, Reply::then_close] {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n\"hello\"";
        let error = error(move || end(Reply::raw(answer))).await;
        assert!(
            matches!(error, ClientError::Broken { doing: "reading its answer", .. }),
            "{error:?}"
        );
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn an_answer_cut_off_between_chunks_is_broken() {
    let error = error(|| Reply::stream(&["\"hello\""]).then_close()).await;
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_without_a_length_that_somebody_cut_off_is_broken() {
    // Only the end of TLS tells that it is whole (RFC 8446 section 6.1).
    let error = error(|| Reply::raw("HTTP/1.1 200 OK\r\n\r\n\"hello\"").then_drop()).await;
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_read() {
    let world = World::new();
    let server = world.fake(|_| Reply::raw("HTTP/1.1 200 OK\r\n\r\n\"hello\"").then_close()).await;
    assert_eq!(get(&world.transport(), &server.url).await.unwrap(), "hello");
}

#[tokio::test]
async fn what_is_no_json_breaks_the_protocol() {
    for body in ["", "hello", "{\"a\":1}", "\"hel"] {
        let error = error(move || Reply::json(body)).await;
        assert!(matches!(error, ClientError::Protocol { .. }), "{body}: {error:?}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_redirection_is_neither_followed_nor_taken_for_success() {
    let world = World::new();
    let server = world.fake(|_| Reply::with("302 Found", "Location: /login\r\n", "")).await;
    let request = http::Request::builder().uri("/");
    let outcome = world.transport().json::<()>(&server.url, request, None::<&()>).await;
    let ClientError::Protocol { reason, .. } = outcome.unwrap_err() else { panic!() };
    assert!(reason.contains("302"), "{reason}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn no_content_is_read_as_nothing() {
    let world = World::new();
    let server = world.fake(|_| Reply::raw("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let transport = world.transport();
    for _ in 0..2 {
        let request = http::Request::builder().uri("/");
        transport.json::<()>(&server.url, request, None::<&()>).await.unwrap();
    }
    assert_eq!(server.handshakes(), 1);
}

#[tokio::test]
async fn what_is_no_http_breaks_the_connection_but_not_the_client() {
    for bytes in ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 9999 what\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let error = error(move || Reply::raw(bytes).then_close()).await;
        assert!(matches!(error, ClientError::Broken { .. }), "{bytes}: {error:?}");
    }
}

//! Requests that are turned down, and how that is put.

use axum::Router;
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use xylem_api::error::ErrorCode;
use xylem_http::{ApiError, ApiJson, Limits, MAX_JSON_BODY_BYTES};

use crate::support::{Answer, Served, World};

const JSON: &str = "Content-Type: application/json\r\n";

#[derive(Deserialize)]
struct Name {
    name: String,
}

async fn served() -> Served {
    let router = Router::new()
        .route("/name", post(|ApiJson(body): ApiJson<Name>| async move { body.name }))
        .route("/missing", get(|| async { ApiError::not_found("there is no package `A.pkg`") }))
        .route("/later", get(|| async { ApiError::unavailable("the database is away", 7) }))
        .route("/who", get(|| async { ApiError::new(ErrorCode::Unauthorized, "who are you?") }))
        .route(
            "/broken",
            get(|| async {
                let cause = std::io::Error::other("password hunter2 was refused");
                ApiError::internal("reading the catalogue", cause)
            }),
        );
    World::new().serve(Limits::default(), router).await
}

#[tokio::test]
async fn the_id_of_a_request_is_in_the_header_and_in_the_error_body() {
    let served = served().await;
    let mut client = served.connect().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = client.get("/missing").await;
        assert_eq!(answer.status, 404);
        let body = answer.json();
        assert_eq!(body["code"], "not-found");
        assert_eq!(body["message"], "there is no package `A.pkg`");
        assert_eq!(body["request_id"], answer.headers["x-request-id"].as_str());
        ids.push(answer.headers["x-request-id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
    let answer = client.post("/name", JSON, r#"{"name":"A.pkg"}"#).await;
    assert!(answer.headers.contains_key("x-request-id"), "good answers have one too");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn the_cause_of_our_own_fault_stays_in_the_log() {
    let answer = served().await.get("/broken").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["code"], "internal");
    assert!(answer.message().starts_with("reading the catalogue failed"), "{}", answer.message());
    assert!(!format!("{answer:?}").contains("hunter2"));
}

#[tokio::test]
async fn whoever_should_come_back_is_told_when() {
    let answer = served().await.get("/later").await;
    assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (503, "7"));
    assert_eq!(answer.json()["code"], "unavailable");
}

#[tokio::test]
async fn whoever_did_not_say_who_it_is_is_told_how() {
    let answer = served().await.get("/who").await;
    assert_eq!((answer.status, answer.headers["www-authenticate"].as_str()), (401, "Bearer"));
}

fn bad_request(answer: &Answer) -> String {
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["code"], "bad-request");
    answer.message()
}

#[tokio::test]
async fn bodies_that_are_not_what_a_route_expects_are_refused_with_the_reason() {
    let served = served().await;
    let mut client = served.connect().await;
    assert_eq!(client.post("/name", JSON, r#"{"name":"A.pkg"}"#).await.body, "A.pkg");

    let message = bad_request(&client.post("/name", "", r#"{"name":"A.pkg"}"#).await);
    assert!(message.contains("Content-Type: application/json"), "{message}");
    let message = bad_request(&client.post("/name", JSON, r#"{"name":"#).await);
    assert!(message.contains("EOF while parsing"), "{message}");
    let message = bad_request(&client.post("/name", JSON, r#"{"nam":"A.pkg"}"#).await);
    assert!(message.contains("missing field `name`"), "{message}");
    let message = bad_request(&client.post("/name", JSON, "").await);
    assert!(message.contains("EOF while parsing"), "{message}");
}

#[tokio::test]
async fn a_body_without_a_length_is_read_to_its_last_chunk() {
    let served = served().await;
    let mut client = served.connect().await;
    let head =
        format!("POST /name HTTP/1.1\r\nHost: x\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n");
    client.send(format!("{head}8\r\n{{\"name\":\r\n8\r\n\"A.pkg\"}}\r\n0\r\n\r\n")).await;
    assert_eq!(client.answer().await.body, "A.pkg");
    assert_eq!(client.get("/missing").await.status, 404, "the connection goes on");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_its_length_is_announced_or_not() {
    let served = served().await;
    let too_large = MAX_JSON_BODY_BYTES + 1;
    let body = format!("\"{}\"", "n".repeat(MAX_JSON_BODY_BYTES - 1));
    assert_eq!(body.len(), too_large);
    let chunked = format!("{too_large:x}\r\n{body}\r\n0\r\n\r\n");
    for (length, body) in [
        (format!("Content-Length: {too_large}"), body),
        ("Transfer-Encoding: chunked".to_owned(), chunked),
    ] {
        let client = served.connect().await;
        let head = format!("POST /name HTTP/1.1\r\nHost: x\r\n{JSON}{length}\r\n\r\n");
        let (reading, mut writing) = tokio::io::split(client.0);
        let sending = async move {
            let bytes = [head.as_bytes(), body.as_bytes()].concat();
            let _ = writing.write_all(&bytes).await;
            let _ = writing.flush().await;
            writing
        };
        let (writing, answer) = tokio::join!(sending, head_of_answer(reading));
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        drop(writing);
    }
}

async fn head_of_answer(mut reading: impl AsyncRead + Unpin) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(reading.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_body_of_just_the_limit_is_read() {
    let served = served().await;
    let frame = r#"{"name":""}"#.len();
    let name = "n".repeat(MAX_JSON_BODY_BYTES - frame);
    let answer =
        served.connect().await.post("/name", JSON, &format!(r#"{{"name":"{name}"}}"#)).await;
    assert_eq!((answer.status, answer.body.len()), (200, name.len()));
}

//! What is written of each answer.

use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use xylem_http::{AccessLog, Limits, Principal};

use crate::support::{World, computer};

#[tokio::test]
async fn each_answer_has_a_line_with_who_asked_and_what_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let world = World::new();
    let log = AccessLog::open(&path, world.environment.clock.clone()).unwrap();
    let router = Router::new().route("/", get(|| async { "hello" })).route(
        "/account",
        get(|| async {
            let mut answer = "hello".into_response();
            answer.extensions_mut().insert(Principal("reader".to_owned()));
            answer
        }),
    );
    let served = world.serve_logged(Limits::default(), router, log).await;
    let identity = world.computer(7);
    let mut known = served.try_connect(&world.client_config(Some(&identity))).await.unwrap();
    known.get("/").await;
    let mut unknown = served.connect().await;
    unknown.get("/account").await;
    let missing = "GET /missing?a=b HTTP/1.1\r\nHost: x\r\nUser-Agent: a \"quote\r\n\r\n";
    unknown.send(missing).await;
    unknown.answer().await;

    let mut lines: Vec<String> = Vec::new();
    for _ in 0..500 {
        let text = std::fs::read_to_string(&path).unwrap();
        lines = text.lines().map(str::to_owned).collect();
        if lines.len() == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(lines.len(), 3, "{lines:?}");
    let party = computer(7).to_string();
    assert!(lines[0].starts_with(&format!("127.0.0.1 - {party} [")), "{lines:?}");
    assert!(lines[0].contains("\"GET / HTTP/1.1\" 200 5 \"-\" \"-\""), "{lines:?}");
    assert!(lines[1].starts_with("127.0.0.1 - reader ["), "{lines:?}");
    assert!(lines[2].starts_with("127.0.0.1 - - [") && lines[2].contains(" 404 "), "{lines:?}");
    assert!(lines[2].contains("/missing?a=b HTTP"), "{lines:?}");
    assert!(lines[2].ends_with("\"a \\x22quote\""), "{lines:?}");
}

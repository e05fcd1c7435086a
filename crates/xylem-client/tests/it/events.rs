//! Streams of events.

use serde_json::{Value, json};
use xylem_client::{ClientError, ControlClient, Deadlines, EventStream};

use crate::support::{FakeServer, Reply, SHORT, World};

/// A stream whose text comes in these pieces.
async fn stream(reply: impl Fn() -> Reply + Send + 'static) -> (FakeServer, EventStream) {
    let world = World::new();
    let server = world.fake(move |_| reply()).await;
    let events = ControlClient::new(world.transport(), server.url.clone()).events().await.unwrap();
    assert!(server.asked()[0].head.starts_with("GET /v1/control/events HTTP/1.1"));
    (server, events)
}

async fn read_all(pieces: &'static [&'static str]) -> Vec<Value> {
    let (_server, mut events) = stream(move || Reply::stream(pieces).end()).await;
    let mut all = Vec::new();
    while let Some(event) = events.next::<Value>().await.unwrap() {
        all.push(event);
    }
    all
}

#[tokio::test]
async fn events_come_one_by_one_and_the_end_is_an_end() {
    assert_eq!(read_all(&["data: 1\n\ndata: 2\n\n"]).await, [json!(1), json!(2)]);
    assert_eq!(read_all(&[]).await, [] as [Value; 0]);
}

#[tokio::test]
async fn an_event_is_there_before_the_stream_ends() {
    let (_server, mut events) = stream(|| Reply::stream(&["data: 1\n\n"]).then_hang()).await;
    assert_eq!(events.next::<Value>().await.unwrap(), Some(json!(1)));
}

#[tokio::test]
async fn comments_and_other_fields_are_passed_over() {
    let pieces =
        &[": still here\n\n", ":\n", "event: change\nid: 7\nretry: 5\ndata: 1\n\n", ":\n\n"];
    assert_eq!(read_all(pieces).await, [json!(1)]);
}

#[tokio::test]
async fn events_may_be_split_anywhere() {
    let pieces = &["da", "ta: {\"a\":", " \"\u{e4}", "\"}", "\n", "\ndata", ":2\n\n"];
    assert_eq!(read_all(pieces).await, [json!({"a": "\u{e4}"}), json!(2)]);
}

#[tokio::test]
async fn data_of_several_lines_is_joined_and_line_ends_may_be_those_of_the_net() {
    let pieces = &["data: {\ndata: \"a\":\ndata:1}\n\n", "data: 2\r\n\r\n"];
    assert_eq!(read_all(pieces).await, [json!({"a": 1}), json!(2)]);
}

#[tokio::test]
async fn an_event_that_was_not_finished_does_not_count() {
    assert_eq!(read_all(&["data: 1\n\ndata: 2\n"]).await, [json!(1)]);
}

#[tokio::test]
async fn an_event_without_end_is_refused() {
    let piece: &str = &"d".repeat(64 << 10);
    for start in ["data: ", ": ", "data: \n"] {
        let piece = if start.ends_with('\n') {
            format!("data: {}\n", &piece[..1000]).repeat(64)
        } else {
            piece.to_owned()
        };
        let (_server, mut events) = stream(move || {
            let pieces = std::iter::once(start).chain(std::iter::repeat_n(piece.as_str(), 20));
            Reply::stream(&pieces.collect::<Vec<_>>()).then_hang()
        })
        .await;
        let error = events.next::<Value>().await.unwrap_err();
        let ClientError::Protocol { reason, .. } = &error else { panic!("{error:?}") };
        assert!(reason.contains("too long"), "{reason}");
    }
}

#[tokio::test]
async fn many_events_at_once_are_no_event_too_long() {
    let events = format!("data: \"{}\"\n\n", "d".repeat(1000)).repeat(1000);
    let (_server, mut stream) =
        stream(move || Reply::stream(&[&events, &events, &events]).end()).await;
    let mut count = 0;
    while stream.next::<Value>().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 3000);
}

#[tokio::test]
async fn an_event_that_is_not_understood_breaks_the_protocol_but_not_the_stream() {
    let (_server, mut events) = stream(|| Reply::stream(&["data: {\n\ndata: 2\n\n"]).end()).await;
    assert!(matches!(events.next::<Value>().await, Err(ClientError::Protocol { .. })));
    assert_eq!(events.next::<Value>().await.unwrap(), Some(json!(2)));
}

#[tokio::test]
async fn a_stream_that_is_cut_off_is_broken() {
    for end in [Reply::then_drop, Reply::then_close] {
        let (_server, mut events) = stream(move || end(Reply::stream(&["data: 1\n\n"]))).await;
        assert_eq!(events.next::<Value>().await.unwrap(), Some(json!(1)));
        assert!(matches!(events.next::<Value>().await, Err(ClientError::Broken { .. })));
    }
}

#[tokio::test]
async fn a_stream_without_heartbeats_is_given_up() {
    let world = World::new();
    let server = world.fake(|_| Reply::stream(&["data: 1\n\n"]).then_hang()).await;
    let deadlines = Deadlines { stall: SHORT, ..Deadlines::default() };
    let transport = world.transport().with_deadlines(deadlines);
    let control = ControlClient::new(transport, server.url.clone());
    let mut events = control.events().await.unwrap();
    assert_eq!(events.next::<Value>().await.unwrap(), Some(json!(1)));
    assert!(matches!(events.next::<Value>().await, Err(ClientError::Timeout { .. })));
}

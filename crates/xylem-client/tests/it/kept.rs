//! Connections kept for the next call.

use std::sync::Arc;

use http::Request;
use xylem_client::{ClientError, empty_body};

use crate::support::{CuttableNet, Reply, World, get, post};

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection() {
    let world = World::new();
    let server = world.fake(|_| Reply::json("\"hello\"")).await;
    let transport = world.transport();
    for _ in 0..5 {
        assert_eq!(post(&transport, &server.url).await.unwrap(), "hello");
        assert_eq!(get(&transport.clone(), &server.url).await.unwrap(), "hello");
    }
    assert_eq!((server.handshakes(), server.asked().len()), (1, 10));
    let asked = &server.asked()[0];
    assert_eq!(asked.header("host"), Some(server.url.authority().as_str()));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(asked.body, b"\"a question\"");
}

#[tokio::test]
async fn calls_at_once_do_not_wait_for_each_other() {
    let world = World::new();
    let server = world.fake(|_| Reply::json("\"hello\"")).await;
    let transport = world.transport();
    let calls = (get(&transport, &server.url), get(&transport, &server.url));
    let (one, two) = tokio::join!(calls.0, calls.1);
    assert_eq!((one.unwrap(), two.unwrap()), ("hello".to_owned(), "hello".to_owned()));
    assert_eq!(server.handshakes(), 2);
    get(&transport, &server.url).await.unwrap();
    assert_eq!(server.handshakes(), 2, "both are kept");
}

#[tokio::test]
async fn an_error_answer_keeps_its_connection() {
    let world = World::new();
    let body = r#"{"code":"conflict","message":"taken","request_id":"r1"}"#;
    let server = world.fake(move |_| Reply::with("409 Conflict", "", body)).await;
    let transport = world.transport();
    for _ in 0..3 {
        get(&transport, &server.url).await.unwrap_err();
    }
    assert_eq!(server.handshakes(), 1);
}

#[tokio::test]
async fn a_connection_whose_answer_was_not_read_to_its_end_is_not_used_again() {
    let world = World::new();
    let server = world.fake(|_| Reply::stream(&["\"hel"]).then_hang()).await;
    let transport = world.transport();
    for _ in 0..2 {
        drop(transport.send(&server.url, Request::new(empty_body())).await.unwrap());
    }
    assert_eq!(server.handshakes(), 2);
}

#[tokio::test]
async fn a_kept_connection_found_closed_is_replaced_without_losing_a_post() {
    let mut world = World::new();
    let net = CuttableNet::default();
    world.environment.net = Arc::new(net.clone());
    let server = world.fake(|_| Reply::json("\"hello\"")).await;
    let transport = world.transport();
    post(&transport, &server.url).await.unwrap();
    // Nobody takes notice before the next call makes the connection look.
    net.cut();
    assert_eq!(post(&transport, &server.url).await.unwrap(), "hello");
    assert_eq!((server.handshakes(), server.asked().len()), (2, 2));
}

#[tokio::test]
async fn a_kept_connection_closed_by_the_server_is_replaced() {
    let world = World::new();
    let server = world.fake(|_| Reply::json("\"hello\"").then_close()).await;
    let transport = world.transport();
    for _ in 0..3 {
        assert_eq!(get(&transport, &server.url).await.unwrap(), "hello");
    }
    assert_eq!(server.handshakes(), 3);
}

#[tokio::test]
async fn a_read_whose_answer_was_lost_on_a_kept_connection_is_sent_again() {
    let world = World::new();
    let server = world
        .fake(|asked| match asked.number {
            1 => Reply::nothing().then_drop(),
            _ => Reply::json("\"hello\""),
        })
        .await;
    let transport = world.transport();
    get(&transport, &server.url).await.unwrap();
    assert_eq!(get(&transport, &server.url).await.unwrap(), "hello");
    assert_eq!((server.handshakes(), server.asked().len()), (2, 3));
    assert_eq!(server.asked()[1].head, server.asked()[2].head, "the same in every header");
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_not_sent_twice() {
    let world = World::new();
    let server = world
        .fake(|asked| match asked.number {
            1 => Reply::nothing().then_drop(),
            _ => Reply::json("\"hello\""),
        })
        .await;
    let transport = world.transport();
    post(&transport, &server.url).await.unwrap();
    let error = post(&transport, &server.url).await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
    assert!(error.to_string().contains(&server.url.to_string()), "{error}");
    assert_eq!(server.asked().len(), 2);
    assert_eq!(post(&transport, &server.url).await.unwrap(), "hello", "the next call is new");
}

#[tokio::test]
async fn a_read_that_fails_on_a_fresh_connection_is_not_sent_again() {
    let world = World::new();
    let server = world.fake(|_| Reply::nothing().then_drop()).await;
    let error = get(&world.transport(), &server.url).await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn forgotten_connections_are_not_used_again() {
    let world = World::new();
    let server = world.fake(|_| Reply::json("\"hello\"")).await;
    let transport = world.transport();
    get(&transport, &server.url).await.unwrap();
    transport.forget_connections();
    get(&transport, &server.url).await.unwrap();
    assert_eq!(server.handshakes(), 2);
}

#[tokio::test]
async fn a_connection_in_use_while_connections_are_forgotten_is_not_kept() {
    let world = World::new();
    let transport = world.transport();
    let forgetful = transport.clone();
    let server = world
        .fake(move |asked| {
            // While the first call waits for its answer.
            if asked.number == 0 {
                forgetful.forget_connections();
            }
            Reply::json("\"hello\"")
        })
        .await;
    for _ in 0..3 {
        get(&transport, &server.url).await.unwrap();
    }
    assert_eq!(server.handshakes(), 2);
}

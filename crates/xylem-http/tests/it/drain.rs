//! Shutting down.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::sync::Semaphore;
use xylem_http::Limits;

use crate::support::{SHORT, Served, World};

/// A handler that says when it was reached, and answers when it is let.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) reached: Arc<Semaphore>,
    pub(crate) open: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { reached: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }

    pub(crate) fn router(&self) -> Router {
        let gate = self.clone();
        let slow = move || {
            let gate = gate.clone();
            async move {
                gate.reached.add_permits(1);
                gate.open.acquire().await.unwrap().forget();
                "finished"
            }
        };
        Router::new().route("/slow", get(slow)).route("/", get(|| async { "hello" }))
    }
}

/// Waits until the port is closed.
async fn until_refused(served: &Served) {
    while tokio::net::TcpStream::connect(served.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_in_flight_finishes_while_the_port_is_closed() {
    let gate = Gate::new();
    let world = World::new();
    let served = world.serve(Limits::default(), gate.router()).await;
    let mut client = served.connect().await;
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    gate.reached.acquire().await.unwrap().forget();

    served.shutdown.begin();
    until_refused(&served).await;
    assert!(!served.task.is_finished(), "it waits for the answer");

    gate.open.add_permits(1);
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "finished"));
    assert_eq!(answer.headers["connection"], "close");
    assert_eq!(client.rest().await, "");
    served.task.await.unwrap();
}

#[tokio::test]
async fn idle_connections_are_closed_at_once() {
    let world = World::new();
    let served = world.serve(Limits::default(), Gate::new().router()).await;
    let mut asked_before = served.connect().await;
    assert_eq!(asked_before.get("/").await.body, "hello");
    let mut never_asked = served.connect().await;

    served.shutdown.begin();
    assert_eq!(asked_before.rest().await, "");
    assert_eq!(never_asked.rest().await, "");
    served.task.await.unwrap();
}

#[tokio::test]
async fn what_does_not_finish_in_the_drain_time_is_cut() {
    let gate = Gate::new();
    let world = World::new();
    let served = world.serve(Limits { drain: SHORT, ..Limits::default() }, gate.router()).await;
    let mut client = served.connect().await;
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    gate.reached.acquire().await.unwrap().forget();

    served.shutdown.begin();
    served.task.await.unwrap();
    assert_eq!(client.rest().await, "", "no answer any more");
}

#[tokio::test]
async fn a_stalled_handshake_does_not_hold_up_the_end_for_longer_than_the_drain_time() {
    let world = World::new();
    let limits = Limits { drain: SHORT, ..Limits::default() };
    let served = world.serve(limits, Gate::new().router()).await;
    let _stalled = served.tcp().await;
    assert_eq!(served.get("/").await.status, 200);
    served.shutdown.begin();
    served.task.await.unwrap();
}

#[tokio::test]
async fn shutdown_that_began_before_serving_ends_it_at_once() {
    let world = World::new();
    let served = world.serve(Limits::default(), Router::new()).await;
    served.shutdown.begin();
    served.task.await.unwrap();
}

//! Ports that cannot be opened.

use std::error::Error as _;
use std::net::SocketAddr;

use axum::Router;
use xylem_http::{HttpServer, Limits};
use xylem_pki::ClientAuth;

use crate::support::World;

async fn refused(world: &World, address: SocketAddr) -> String {
    let tls = world.server_config(ClientAuth::None);
    let listening = HttpServer::listen(&world.environment, address, tls, Limits::default()).await;
    let Err(error) = listening else { panic!("{address} can be listened on") };
    assert!(error.source().is_some(), "what the system says goes along");
    error.to_string()
}

#[tokio::test]
async fn a_port_in_use_is_named_together_with_the_way_out() {
    let world = World::new();
    let served = world.serve(Limits::default(), Router::new()).await;
    let message = refused(&world, served.address).await;
    assert!(message.contains(&served.address.to_string()), "{message}");
    assert!(message.contains("another program uses this port"), "{message}");
}

#[tokio::test]
async fn an_address_of_another_machine_is_called_that() {
    // RFC 5737: an address of documentation, which no machine has.
    let message = refused(&World::new(), "192.0.2.1:0".parse().unwrap()).await;
    assert!(message.contains("this machine does not have that address"), "{message}");
}

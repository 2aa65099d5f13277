//! A member with its doors open.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};

use crate::config::Raw;
use crate::grpc;
use crate::http::{Limits, Listeners, OtherDoors, serve, site};
use crate::node::Node;
use crate::tls::{Arrival, Entrance};

/// Serves `node` until the test ends, and connects to it.
pub(super) async fn connected(node: Node) -> Channel {
    let address = opened(node).await;
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// Serves `node` until the test ends; answers where.
pub(super) async fn opened(node: Node) -> SocketAddr {
    opened_to(Arrival::default(), node).await
}

/// The same, where whoever comes has come so.
pub(super) async fn opened_to(arrival: Arrival, node: Node) -> SocketAddr {
    opened_at(Entrance::Plain(arrival), node).await
}

/// The same, and connects to it as one whose certificate names this user.
pub(super) async fn connected_as(user: &'static str, node: Node) -> Channel {
    let address = opened_at(Entrance::Named(user), node).await;
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

async fn opened_at(entrance: Entrance, node: Node) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Raw { port: Some(0), ..Raw::default() }.resolve().unwrap().bound_to(address);
    let others = OtherDoors { peers: Router::new(), grpc: grpc::routes(node.clone()) };
    let site = site(node, &config, Limits::default(), others);
    let listeners = Listeners::new(vec![(listener, entrance)]);
    tokio::spawn(serve(listeners, site, Limits::default(), std::future::pending()));
    address
}

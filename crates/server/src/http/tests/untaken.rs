//! Answers that their clients leave where they are.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::world::{DEADLINE, World};
use crate::http::Limits;

/// Room for one of the answers below, and not for two.
const UNTAKEN_BYTES_MAX: usize = 150 << 10;

async fn world(header_timeout: Duration) -> World {
    let untaken_bytes_max = UNTAKEN_BYTES_MAX;
    let limits = Limits { untaken_bytes_max, header_timeout, ..Limits::default() };
    let world = World::limited(limits).await;
    world.put("large", &"v".repeat(100 << 10)).await;
    world.put("small", "v").await;
    world
}

/// A client of HTTP/2 that lets so much of an answer come before it takes some.
async fn with_window(world: &World, bytes: u32) -> SendRequest<Body> {
    let socket = TokioIo::new(TcpStream::connect(world.address).await.unwrap());
    let mut builder = Builder::new(TokioExecutor::new());
    let handshake = builder.initial_stream_window_size(bytes).handshake(socket);
    let (client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    client
}

async fn get(client: &mut SendRequest<Body>, key: &str) -> Response<Incoming> {
    let request = Request::get(format!("http://localhost/kv/{key}")).body(Body::empty()).unwrap();
    client.send_request(request).await.unwrap()
}

#[tokio::test]
async fn an_answer_for_which_there_is_no_room_is_refused() {
    let world = world(Limits::default().header_timeout).await;
    let mut client = with_window(&world, 0).await;
    let waits = get(&mut client, "large").await;
    assert_eq!(waits.status(), 200);
    world.ask("GET", "/kv/large").await.assert_refused(503, "overloaded");
    assert_eq!(world.get("/kv/small").await["value"], "v");
    drop((waits, client));
    let deadline = Instant::now() + DEADLINE;
    while world.ask("GET", "/kv/large").await.status != 200 {
        assert!(Instant::now() < deadline, "its room is never given back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_takes_nothing_is_closed_when_others_need_the_room() {
    let world = world(Duration::from_millis(100)).await;
    let mut client = with_window(&world, 0).await;
    let waits = get(&mut client, "large").await;
    // It answers pings all the while.
    let broken = tokio::time::timeout(DEADLINE, waits.into_body().collect()).await;
    assert!(broken.expect("it is closed in time").is_err());
    assert_eq!(world.ask("GET", "/kv/large").await.status, 200);
}

#[tokio::test]
async fn who_takes_nothing_may_stay_while_there_is_room() {
    let world = world(Duration::from_millis(100)).await;
    world.put("less", &"v".repeat(50 << 10)).await;
    let mut client = with_window(&world, 0).await;
    let waits = get(&mut client, "less").await;
    let stays = tokio::time::timeout(Duration::from_millis(500), waits.into_body().collect());
    assert!(stays.await.is_err(), "it was closed");
}

#[tokio::test]
async fn what_is_taken_takes_no_room() {
    let world = world(Limits::default().header_timeout).await;
    let mut client = with_window(&world, 1 << 20).await;
    for _ in 0..20 {
        let body = get(&mut client, "large").await.into_body().collect().await.unwrap();
        assert!(body.to_bytes().len() > 100 << 10);
    }
}

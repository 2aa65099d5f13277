//! `GET /watch`: messages, resuming, ends, and what is refused.

use axum::body::Body;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use store::{Command, CompactionCause, KeyRange, Put, Revision};
use tokio::net::TcpStream;

use super::world::{Client, DEADLINE, World, request};
use crate::config::Raw;
use crate::http::Limits;
use crate::node::{Node, WriteOptions, testing};
use crate::watch::WATCHERS_PER_CONNECTION_MAX;

/// A stream of server-sent events.
struct Events {
    client: Client,
    /// Of the stream, received and not looked at yet.
    text: String,
}

/// One of them.
#[derive(Debug, PartialEq)]
struct Event {
    id: Option<String>,
    name: String,
    data: Value,
}

impl Events {
    /// Asks for it, with further headers; the stream must begin.
    async fn open(world: &World, target: &str, headers: &[&str]) -> Events {
        let mut client = world.connect().await;
        client.send(&request("GET", target, headers, b"")).await;
        let head = client.head().await;
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
        assert_eq!(head.header("cache-control"), Some("no-store"));
        assert_eq!(head.header("transfer-encoding"), Some("chunked"));
        Events { client, text: String::new() }
    }

    /// The next one, with its whole text; comments are passed over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while !self.text.contains("\n\n") {
                self.text.push_str(str::from_utf8(&self.client.chunk().await?).unwrap());
            }
            let (text, rest) = self.text.split_once("\n\n").unwrap();
            let event = Event::parse(text);
            self.text = rest.to_owned();
            if event.is_some() {
                return event;
            }
        }
    }

    /// The next one, which must be a message: its id and data.
    async fn message(&mut self) -> (String, Value) {
        let event = self.next().await.expect("the stream goes on");
        assert_eq!(event.name, "message", "{event:?}");
        (event.id.expect("a message has an id"), event.data)
    }
}

impl Event {
    /// As a browser reads it.
    fn parse(text: &str) -> Option<Event> {
        let mut event = Event { id: None, name: "message".to_owned(), data: Value::Null };
        let mut data = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with(':')) {
            let (field, value) = line.split_once(": ")?;
            match field {
                "id" => event.id = Some(value.to_owned()),
                "event" => event.name = value.to_owned(),
                "data" => data.push(value),
                other => panic!("a field {other}"),
            }
        }
        event.data = serde_json::from_str(&data.join("\n")).ok()?;
        Some(event)
    }
}

async fn write(node: &Node, command: Command) {
    let options = WriteOptions { timeout: DEADLINE, forward: true };
    node.write(command, options).await.unwrap();
}

async fn served(node: &Node) -> World {
    World::with(node.clone(), Raw::default(), Limits::default()).await
}

#[tokio::test]
async fn what_happens_from_now_on() {
    let world = World::new().await;
    world.put("user/1", "before").await;
    let mut events = Events::open(&world, "/watch?prefix=user/", &[]).await;
    let opened = events.next().await.unwrap();
    let data = json!({ "revision": 2, "from_revision": 3 });
    assert_eq!(opened, Event { id: Some("2".into()), name: "open".into(), data });
    world.put("user/1", "v").await;
    world.put("other", "v").await;
    world.ask("DELETE", "/kv/user%2F1").await;
    let (id, data) = events.message().await;
    assert_eq!((id.as_str(), &data["revision"]), ("3", &json!(3)));
    assert!(data["time_ms"].as_u64().is_some_and(|time| time > 1_000), "{data}");
    let item = json!({"type": "put", "key": "user/1", "value": "v", "version": 2,
        "create_revision": 2, "mod_revision": 3});
    assert_eq!(data["events"], json!([item]));
    let (id, data) = events.message().await;
    let gone = json!([{"type": "delete", "key": "user/1"}]);
    assert_eq!((id.as_str(), &data["events"]), ("5", &gone));
}

#[tokio::test]
async fn from_a_revision_on_and_after_the_last_one_received() {
    let world = World::new().await;
    for value in ["1", "2", "3"] {
        world.put("k", value).await;
    }
    let revisions = async |target, headers: &[&str]| {
        let mut events = Events::open(&world, target, headers).await;
        assert_eq!(events.next().await.unwrap().name, "open");
        events.message().await.0
    };
    assert_eq!(revisions("/watch?key=k&from_revision=1", &[]).await, "2");
    assert_eq!(revisions("/watch?key=k&from_revision=3", &[]).await, "3");
    assert_eq!(revisions("/watch?key=k", &["Last-Event-ID: 3"]).await, "4");
    assert_eq!(revisions("/watch?key=k&from_revision=2", &["Last-Event-ID: 2"]).await, "3");
    let mut future = Events::open(&world, "/watch?key=k&from_revision=6", &[]).await;
    let opened = future.next().await.unwrap();
    assert_eq!((opened.id.as_deref(), &opened.data["revision"]), (Some("5"), &json!(4)));
    world.put("k", "5").await;
    world.put("k", "6").await;
    assert_eq!(future.message().await.0, "6");
}

#[tokio::test]
async fn ranges_filters_and_what_was_before() {
    let world = World::new().await;
    world.put("a", "1").await;
    world.put("b", "1").await;
    world.put("b", "2").await;
    world.ask("DELETE", "/kv/b").await;
    let first = async |target: &str| {
        let mut events = Events::open(&world, target, &[]).await;
        events.next().await.unwrap();
        let (id, data) = events.message().await;
        (id, data["events"][0].clone())
    };
    assert_eq!(first("/watch?from_revision=1").await.0, "2");
    assert_eq!(first("/watch?from=b&from_revision=1").await.0, "3");
    assert_eq!(first("/watch?from=a&to=b&from_revision=1").await.0, "2");
    assert_eq!(first("/watch?key=b&filter=noput&from_revision=1").await.0, "5");
    let (id, put) = first("/watch?key=b&prev&filter=nodelete&from_revision=4").await;
    assert_eq!(
        (id.as_str(), &put["value"], &put["prev"]["value"]),
        ("4", &json!("2"), &json!("1"))
    );
    let (_, created) = first("/watch?key=b&prev=true&from_revision=3").await;
    assert_eq!(created.get("prev"), None);
}

#[tokio::test]
async fn what_is_no_text_comes_in_base64() {
    let world = World::new().await;
    let mut events = Events::open(&world, "/watch", &[]).await;
    events.next().await.unwrap();
    let raw = ["Content-Type: application/octet-stream"];
    let answer = world.request("PUT", "/kv/%FF", &raw, b"\xfe").await;
    assert_eq!(answer.status, 200);
    let (_, data) = events.message().await;
    let event = &data["events"][0];
    let found = (&event["key_base64"], &event["value_base64"], event.get("key"));
    assert_eq!(found, (&json!("/w=="), &json!("/g=="), None));
}

#[tokio::test]
async fn a_revision_is_one_message_however_much_it_did() {
    const KEYS: usize = 3_000;
    let node = testing::single();
    let world = served(&node).await;
    for number in 0..KEYS {
        let put = Put::new(format!("k{number:04}"), "v".repeat(300));
        write(&node, put.into()).await;
    }
    let mut events = Events::open(&world, "/watch?prev", &[]).await;
    events.next().await.unwrap();
    let range = KeyRange::all();
    write(&node, Command::Delete { range, prev_kv: false, condition: None }).await;
    world.put("after", "it").await;
    let (id, data) = events.message().await;
    assert_eq!(id, (KEYS + 2).to_string());
    let gone = data["events"].as_array().unwrap();
    assert_eq!(gone.len(), KEYS);
    assert!(gone.iter().all(|event| event["prev"]["version"] == 1));
    assert_eq!(events.message().await.0, (KEYS + 3).to_string());
}

#[tokio::test]
async fn quiet_times_bring_progress_if_it_was_asked_for() {
    let world = World::new().await;
    let mut events = Events::open(&world, "/watch?key=k&progress_ms=100", &[]).await;
    events.next().await.unwrap();
    world.put("other", "v").await;
    let mut progress = events.next().await.unwrap();
    while progress.id.as_deref() != Some("2") {
        assert_eq!((progress.name.as_str(), progress.id.as_deref()), ("progress", Some("1")));
        progress = events.next().await.unwrap();
    }
    assert_eq!((progress.name.as_str(), progress.data), ("progress", json!({ "revision": 2 })));
}

#[tokio::test]
async fn what_is_compacted_is_gone() {
    let node = testing::single();
    let world = served(&node).await;
    for value in ["1", "2", "3"] {
        world.put("k", value).await;
    }
    write(&node, Command::Compact { revision: Revision(3), cause: CompactionCause::Asked }).await;
    let answer = world.ask("GET", "/watch?key=k&from_revision=2").await;
    assert_eq!(answer.assert_refused(410, "compacted")["oldest"], 3);
    let answer = world.request("GET", "/watch?key=k", &["Last-Event-ID: 1"], b"").await;
    assert_eq!(answer.assert_refused(410, "compacted")["oldest"], 3);
    let mut events = Events::open(&world, "/watch?key=k", &["Last-Event-ID: 2"]).await;
    events.next().await.unwrap();
    assert_eq!(events.message().await.0, "3");
}

#[tokio::test]
async fn the_last_message_says_why_there_are_no_more() {
    let node = testing::single();
    let world = served(&node).await;
    let mut events = Events::open(&world, "/watch", &[]).await;
    events.next().await.unwrap();
    node.watches().close();
    let last = events.next().await.unwrap();
    assert_eq!((last.name.as_str(), last.id), ("error", None));
    assert_eq!(last.data["error"], "stopped");
    assert_eq!(events.next().await, None);
    world.ask("GET", "/watch").await.assert_refused(503, "stopped");
}

#[tokio::test]
async fn a_client_that_goes_is_forgotten() {
    let node = testing::single();
    let world = served(&node).await;
    let mut events = Events::open(&world, "/watch", &[]).await;
    events.next().await.unwrap();
    assert_eq!(node.watches().counts().watchers, 1);
    drop(events);
    let deadline = std::time::Instant::now() + DEADLINE;
    while node.watches().counts().watchers > 0 {
        assert!(std::time::Instant::now() < deadline, "its watch is still there");
        world.put("k", "so that there is something to send").await;
    }
}

#[tokio::test]
async fn a_client_that_is_slow_misses_nothing_and_costs_no_queue() {
    const WRITES: u64 = 150;
    let node = testing::single();
    let world = served(&node).await;
    let mut events = Events::open(&world, "/watch", &[]).await;
    events.next().await.unwrap();
    // More than sockets and buffers take.
    let value = "v".repeat(200_000);
    for _ in 0..WRITES {
        world.put("k", &value).await;
    }
    let counts = node.watches().counts();
    assert_eq!((counts.behind, counts.fallen_behind > 0), (1, true), "{counts:?}");
    for revision in 2..2 + WRITES {
        assert_eq!(events.message().await.0, revision.to_string());
    }
    world.put("k", "the next").await;
    assert_eq!(events.message().await.1["events"][0]["value"], "the next");
}

#[tokio::test]
async fn one_connection_has_so_many_watches_and_no_more() {
    let world = World::new().await;
    let socket = TokioIo::new(TcpStream::connect(world.address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), socket);
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let mut ask = async || {
        let request = Request::get("http://localhost/watch").body(Body::empty()).unwrap();
        client.send_request(request).await.unwrap()
    };
    let mut answers = Vec::new();
    for _ in 0..WATCHERS_PER_CONNECTION_MAX {
        answers.push(ask().await);
    }
    assert!(answers.iter().all(|answer| answer.status() == 200));
    let refused = ask().await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    // Others are not concerned.
    Events::open(&world, "/watch", &[]).await;
}

#[tokio::test]
async fn bad_requests_are_refused_before_anything_begins() {
    let world = World::new().await;
    for (target, parameter) in [
        ("/watch?from=b&to=b", "to"),
        ("/watch?from=b&to=a", "to"),
        ("/watch?key=a&prefix=a", "key"),
        ("/watch?key=a&to=b", "key"),
        ("/watch?prefix=a&to=b", "to"),
        ("/watch?filter=put", "filter"),
        ("/watch?prev=yes", "prev"),
        ("/watch?from_revision=-1", "from_revision"),
        ("/watch?progress_ms=99", "progress_ms"),
        ("/watch?progress_ms=600001", "progress_ms"),
        ("/watch?revision=3", "revision"),
        ("/watch?consistency=eventual", "consistency"),
    ] {
        let answer = world.ask("GET", target).await;
        assert_eq!(answer.assert_refused(400, "bad_parameter")["parameter"], parameter, "{target}");
    }
    world.ask("GET", "/watch?key=").await.assert_refused(400, "empty_key");
    world.ask("GET", "/watch?key=%4").await.assert_refused(400, "bad_escape");
    world.ask("POST", "/watch").await.assert_refused(405, "method_not_allowed");
    for id in ["", "x", "-1", "+1", "18446744073709551615", "99999999999999999999"] {
        let header = format!("Last-Event-ID: {id}");
        let answer = world.request("GET", "/watch", &[&header], b"").await;
        answer.assert_refused(400, "bad_header");
    }
}

#[tokio::test]
async fn a_member_without_a_cluster_serves_no_watch() {
    let world = served(&testing::waiting()).await;
    world.ask("GET", "/watch").await.assert_refused(503, "unavailable");
    world.ask("GET", "/watch?consistency=stale").await.assert_refused(503, "unavailable");
}

#[tokio::test]
async fn metrics_count_watches() {
    let world = World::new().await;
    let mut events = Events::open(&world, "/watch?key=k", &[]).await;
    events.next().await.unwrap();
    world.put("k", "v").await;
    events.message().await;
    let page = world.ask("GET", "/metrics").await.text();
    for line in ["raftkv_watchers 1", "raftkv_watchers_behind 0", "raftkv_watch_events_total 1"] {
        assert!(page.lines().any(|found| found == line), "{line}: {page}");
    }
}

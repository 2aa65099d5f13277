//! One served member and a client that sends exactly the bytes it is told to.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::Raw;
use crate::http::{Limits, Listeners, OtherDoors, probes_only, serve, site};
use crate::node::{Node, testing};
use crate::tls::Entrance;

/// Nothing in these tests takes this long but by a fault.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// A served member.
pub(super) struct World {
    pub(super) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl World {
    /// A fresh store behind the default rules.
    pub(super) async fn new() -> World {
        World::with(testing::single(), Raw::default(), Limits::default()).await
    }

    /// A member with limits of its own.
    pub(super) async fn limited(limits: Limits) -> World {
        World::with(testing::single(), Raw::default(), limits).await
    }

    pub(super) async fn with(node: Node, settings: Raw, limits: Limits) -> World {
        World::behind(|router| router, node, settings, limits).await
    }

    /// The same member, where the certificate of whoever comes names this user.
    pub(super) async fn named(node: Node, user: &'static str) -> World {
        let (settings, limits) = (Raw::default(), Limits::default());
        World::at(Entrance::Named(user), |router| router, node, settings, limits).await
    }

    /// An address of a member that is for probes and metrics alone.
    pub(super) async fn of_probes() -> World {
        World::behind(probes_only, testing::single(), Raw::default(), Limits::default()).await
    }

    async fn behind(
        front: impl FnOnce(Router) -> Router,
        node: Node,
        settings: Raw,
        limits: Limits,
    ) -> World {
        World::at(Entrance::default(), front, node, settings, limits).await
    }

    async fn at(
        entrance: Entrance,
        front: impl FnOnce(Router) -> Router,
        node: Node,
        settings: Raw,
        limits: Limits,
    ) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = settings.or(Raw { port: Some(0), ..Raw::default() }).resolve().unwrap();
        let peers = Router::new().route("/raft/hello", axum::routing::get(async || "hello"));
        let others = OtherDoors { peers, grpc: crate::grpc::routes(node.clone()) };
        let site = site(node, &config.bound_to(address), limits, others).map(front);
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { stopped.await.unwrap_or_default() };
        let served =
            tokio::spawn(serve(Listeners::new(vec![(listener, entrance)]), site, limits, shutdown));
        World { address, stop: Some(stop), served }
    }

    /// A connection to it.
    pub(super) async fn connect(&self) -> Client {
        let socket = TcpStream::connect(self.address).await.unwrap();
        Client { socket, read: Vec::new() }
    }

    /// One request without a body on a connection of its own.
    pub(super) async fn ask(&self, method: &str, target: &str) -> Answer {
        self.request(method, target, &[], b"").await
    }

    /// `GET` that must succeed; its JSON.
    pub(super) async fn get(&self, target: &str) -> Value {
        let answer = self.ask("GET", target).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.json()
    }

    /// Puts a value as `curl -d` would; its JSON.
    pub(super) async fn put(&self, key: &str, value: &str) -> Value {
        let body = serde_json::json!({ "value": value }).to_string();
        let answer = self.request("PUT", &format!("/kv/{key}"), &[], body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{key}: {}", answer.text());
        answer.json()
    }

    /// One request on a connection of its own.
    pub(super) async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[&str],
        body: &[u8],
    ) -> Answer {
        let mut client = self.connect().await;
        client.send(&request(method, target, headers, body)).await;
        client.answer().await
    }

    /// Stops serving, and waits until that is done.
    pub(super) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        timeout(DEADLINE, self.served).await.expect("serving ends in time").unwrap();
    }

    /// Asks it to stop and does not wait.
    pub(super) fn begin_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

/// The bytes of a request. A `Host` header among `headers` takes the place of the usual one.
pub(super) fn request(method: &str, target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        head.push_str("Host: localhost\r\n");
    }
    for header in headers {
        head.push_str(&format!("{header}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// A connection.
pub(super) struct Client {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Client {
    /// Sends bytes. A server that has heard enough may have closed; the answer tells.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(DEADLINE, self.socket.write_all(bytes)).await.expect("sent in time");
    }

    /// The head of the next answer.
    pub(super) async fn head(&mut self) -> Answer {
        let head = self.until(b"\r\n\r\n").await;
        let head = head.unwrap_or_else(|| panic!("closed before an answer: {:?}", self.read));
        Answer::of_head(&String::from_utf8(head).unwrap())
    }

    /// The next piece of an answer that comes in chunks; none after the last.
    pub(super) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.until(b"\r\n").await.expect("closed within an answer");
        let size = usize::from_str_radix(str::from_utf8(&size).unwrap().trim(), 16).unwrap();
        while self.read.len() < size + 2 {
            assert!(self.fill().await > 0, "closed within an answer");
        }
        let mut chunk: Vec<u8> = self.read.drain(..size + 2).collect();
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// Everything up to `end`, with it; none if it is closed before.
    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return Some(self.read.drain(..at + end.len()).collect());
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    /// The next answer.
    pub(super) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let length = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
        while self.read.len() < length {
            assert!(self.fill().await > 0, "closed within an answer");
        }
        answer.body = self.read.drain(..length).collect();
        answer
    }

    /// The next so many bytes, whatever they are.
    pub(super) async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.fill().await > 0, "closed within {:?}", self.read);
        }
        self.read.drain(..count).collect()
    }

    /// Waits until the server closes; what it still sent.
    pub(super) async fn closed(mut self) -> Vec<u8> {
        while self.fill().await > 0 {}
        self.read
    }

    /// The same while it is sent these bytes again and again, slowly.
    pub(super) async fn closed_while_sending(mut self, bytes: &[u8]) -> Vec<u8> {
        let mut turns = tokio::time::interval(Duration::from_millis(10));
        let began = tokio::time::Instant::now();
        loop {
            turns.tick().await;
            assert!(began.elapsed() < DEADLINE, "it goes on listening");
            let mut buffer = [0; 4 << 10];
            let sent = self.socket.write_all(bytes).await;
            match self.socket.try_read(&mut buffer) {
                Ok(0) => return self.read,
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && sent.is_ok() => {}
                // A reset is a close, too.
                Err(_) => return self.read,
            }
        }
    }

    async fn fill(&mut self) -> usize {
        let mut buffer = [0; 16 << 10];
        let read = timeout(DEADLINE, self.socket.read(&mut buffer)).await.expect("read in time");
        let count = read.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..count]);
        count
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn of_head(head: &str) -> Answer {
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Answer { status, headers, body: Vec::new() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// Fails unless this is a refusal of the published shape, with this status and code.
    #[track_caller]
    pub(super) fn assert_refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let body = self.json();
        assert_eq!(body["error"], code, "{body}");
        assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        body
    }
}

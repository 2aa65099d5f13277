//! One who watches over HTTP as a browser does: it reads server-sent events, and when the stream
//! breaks it asks another member to go on after the last id that it received.

use std::io::{BufReader, Error, Result, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::http::{connect, read_chunk, read_head};
use crate::wait;

/// A put, as it was told: revision, key, value.
pub type Told = (u64, String, String);

/// How often a member is to say that nothing has happened, in ms.
const PROGRESS_MS: u64 = 200;

/// Somebody who watches all the time.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    ports: Vec<u16>,
    query: String,
    stop: AtomicBool,
    told: Mutex<Vec<Told>>,
    /// All up to this revision was told.
    reached: AtomicU64,
    /// Streams that were opened.
    streams: AtomicU64,
}

impl Watcher {
    /// Begins with one member, and waits until it is watched. `query` selects the keys.
    pub fn start(cluster: &Cluster, first: usize, query: &str) -> Watcher {
        let shared = Arc::new(Shared {
            ports: cluster.ports(),
            query: query.to_owned(),
            stop: AtomicBool::new(false),
            told: Mutex::new(Vec::new()),
            reached: AtomicU64::new(0),
            streams: AtomicU64::new(0),
        });
        let of_thread = Arc::clone(&shared);
        let thread = thread::spawn(move || of_thread.watch(first));
        let watcher = Watcher { shared, thread };
        wait::until_true("it is watched", || watcher.reached() > 0);
        watcher
    }

    /// Waits until all up to a revision was told; then ends it, and answers all that was, and how
    /// many streams it took.
    pub fn stop_at(self, revision: u64) -> (Vec<Told>, u64) {
        wait::until_true("a watcher comes to the end", || {
            assert!(!self.thread.is_finished(), "a watcher has ended: it says why above");
            self.reached() >= revision
        });
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("everything came once, and in order");
        let told = self.shared.told.lock().unwrap().clone();
        (told, self.shared.streams.load(Ordering::Relaxed))
    }

    fn reached(&self) -> u64 {
        self.shared.reached.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn watch(&self, first: usize) {
        let mut member = first;
        while !self.stop.load(Ordering::Relaxed) {
            // Whatever it was: another one goes on.
            let _broken = self.watch_one(self.ports[member % self.ports.len()]);
            member += 1;
            wait::pause();
        }
    }

    fn watch_one(&self, port: u16) -> Result<()> {
        let last = Some(self.reached.load(Ordering::Relaxed)).filter(|last| *last > 0);
        let mut stream = Stream::open(port, &self.query, last)?;
        self.streams.fetch_add(1, Ordering::Relaxed);
        while !self.stop.load(Ordering::Relaxed) {
            let Some(message) = stream.message()? else { return Ok(()) };
            self.take(&message);
        }
        Ok(())
    }

    fn take(&self, message: &str) {
        let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
        let Some(id) = field("id: ") else { return };
        let id: u64 = id.parse().unwrap();
        let reached = self.reached.load(Ordering::Relaxed);
        if field("event: ").is_none() {
            assert!(reached == 0 || id > reached, "{id} is told after all up to {reached}");
            let lines: Vec<&str> =
                message.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
            let data: Value = serde_json::from_str(&lines.join("\n")).unwrap();
            assert_eq!(data["revision"], id, "{message}");
            let events = data["events"].as_array().unwrap();
            self.told.lock().unwrap().extend(events.iter().map(|event| put(id, event)));
        }
        self.reached.store(id.max(reached), Ordering::Relaxed);
    }
}

/// A stream from one member.
#[derive(Debug)]
pub struct Stream {
    connection: BufReader<TcpStream>,
    text: String,
}

impl Stream {
    /// Asks a port for it, from after the last id that was received, or from now on.
    pub fn open(port: u16, query: &str, last: Option<u64>) -> Result<Stream> {
        Stream::open_as(port, query, last, "")
    }

    /// The same with further headers, each a whole line.
    pub fn open_as(port: u16, query: &str, last: Option<u64>, headers: &str) -> Result<Stream> {
        let mut connection = connect(port)?;
        let last = last.map_or(String::new(), |last| format!("Last-Event-ID: {last}\r\n"));
        let target = format!("/watch?{query}&progress_ms={PROGRESS_MS}");
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\n");
        let request = format!("{head}{last}{headers}\r\n");
        connection.write_all(request.as_bytes())?;
        let mut connection = BufReader::new(connection);
        match read_head(&mut connection)? {
            (200, _) => Ok(Stream { connection, text: String::new() }),
            (status, _) => Err(Error::other(format!("status {status}"))),
        }
    }

    /// The next whole message, comments too; none at the end.
    pub fn message(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                return Ok(Some(self.text.drain(..end + 2).collect()));
            }
            let chunk = read_chunk(&mut self.connection)?;
            if chunk.is_empty() {
                return Ok(None);
            }
            self.text.push_str(&String::from_utf8_lossy(&chunk));
        }
    }
}

/// An event of a put, of HTTP or of `raftkv watch -o json`.
pub fn put(revision: u64, event: &Value) -> Told {
    assert_eq!((&event["type"], &event["mod_revision"]), (&"put".into(), &revision.into()));
    let text = |name: &str| event[name].as_str().unwrap().to_owned();
    (revision, text("key"), text("value"))
}

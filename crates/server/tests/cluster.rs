//! Whole members in one process, over loopback: found, write, read, lose one, come back.

#![allow(clippy::unwrap_used, reason = "what a test can not go on without")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::{Client, Endpoint, Error, Options};
use server::config::{Config, Raw};
use server::{Server, StartError};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const DEADLINE: Duration = Duration::from_secs(30);

/// A directory that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("raftkv-server-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left over is in the directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Ports that were free a moment ago.
async fn free_ports<const N: usize>() -> [u16; N] {
    let mut listeners = Vec::new();
    for _ in 0..N {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    std::array::from_fn(|i| listeners[i].local_addr().unwrap().port())
}

/// A running member.
struct Running {
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), StartError>>,
}

impl Running {
    async fn start(config: Config) -> Running {
        let server = Server::open(config).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Running { stop, done }
    }

    /// Told to, and waited for.
    async fn stop(self) {
        let _ = self.stop.send(());
        tokio::time::timeout(DEADLINE, self.done).await.unwrap().unwrap().unwrap();
    }

    /// Cut off in the middle of whatever it does: its sockets close and nobody is told.
    async fn kill(self) {
        self.done.abort();
        assert!(self.done.await.unwrap_err().is_cancelled());
    }
}

/// Three members on ports of their own.
struct Cluster {
    scratch: Scratch,
    ports: [u16; 3],
    members: [Option<Running>; 3],
}

impl Cluster {
    async fn start() -> Cluster {
        let cluster = Cluster {
            scratch: Scratch::new(),
            ports: free_ports().await,
            members: [None, None, None],
        };
        let mut cluster = cluster;
        for number in 0..3 {
            cluster.start_member(number).await;
        }
        cluster
    }

    fn config(&self, number: usize) -> Config {
        let others = self.ports.iter().filter(|port| **port != self.ports[number]);
        Raw {
            node_id: Some(format!("node-{number}")),
            port: Some(self.ports[number]),
            peers: Some(others.map(|port| format!("localhost:{port}")).collect()),
            data_dir: Some(self.scratch.0.join(number.to_string())),
            wal_segment_bytes: Some(4 << 20),
            ..Raw::default()
        }
        .resolve()
        .unwrap()
    }

    async fn start_member(&mut self, number: usize) {
        self.members[number] = Some(Running::start(self.config(number)).await);
    }

    fn take(&mut self, number: usize) -> Running {
        self.members[number].take().unwrap()
    }

    /// A client that speaks to these members only.
    fn client(&self, members: &[usize]) -> Client {
        let endpoints = members.iter().map(|number| endpoint(self.ports[*number])).collect();
        Client::new(endpoints, Options { timeout: DEADLINE, ..Options::default() })
    }

    /// The number of the member that leads.
    async fn leader(&self, among: &[usize]) -> usize {
        let client = self.client(among);
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Ok(leader) = client.leader().await {
                let port: u16 = leader.member.address.rsplit_once(':').unwrap().1.parse().unwrap();
                let number = self.ports.iter().position(|known| *known == port).unwrap();
                if among.contains(&number) {
                    return number;
                }
            }
            assert!(Instant::now() < deadline, "no leader in time");
            tokio::task::yield_now().await;
        }
    }
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint::parse_list(&format!("http://localhost:{port}")).unwrap().remove(0)
}

/// Puts until that is acknowledged: what was on its way to a leader that died may have been done.
async fn put_surely(client: &Client, key: &str, value: &'static str) {
    let deadline = Instant::now() + DEADLINE;
    while let Err(error) = client.put(key, value).await {
        assert!(matches!(error, Error::Unknown { .. }), "{error}");
        assert!(Instant::now() < deadline, "no write is acknowledged: {error}");
    }
}

async fn value(client: &Client, key: &str) -> Option<String> {
    let found = client.get(key).await.unwrap();
    found.map(|found| String::from_utf8(found.value.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_members_serve_through_any_of_them_and_survive_the_loss_of_one() {
    let mut cluster = Cluster::start().await;
    cluster.client(&[0, 1, 2]).put("name", "RaftKV").await.unwrap();
    for number in 0..3 {
        let only = cluster.client(&[number]);
        assert_eq!(value(&only, "name").await.as_deref(), Some("RaftKV"), "member {number}");
        let key = format!("through-{number}");
        only.put(&key, "forwarded if need be").await.unwrap();
    }

    let leader = cluster.leader(&[0, 1, 2]).await;
    cluster.take(leader).kill().await;
    let left: Vec<usize> = (0..3).filter(|number| *number != leader).collect();
    let client = cluster.client(&left);
    put_surely(&client, "after", "the loss").await;
    assert_eq!(value(&client, "after").await.as_deref(), Some("the loss"));
    assert_eq!(value(&client, "through-1").await.as_deref(), Some("forwarded if need be"));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_all_were_stopped_and_started() {
    let mut cluster = Cluster::start().await;
    cluster.client(&[0, 1, 2]).put("kept", "yes").await.unwrap();
    for number in 0..3 {
        cluster.take(number).stop().await;
    }
    for number in 0..3 {
        cluster.start_member(number).await;
    }
    for number in 0..3 {
        assert_eq!(value(&cluster.client(&[number]), "kept").await.as_deref(), Some("yes"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_stopped_hands_over_first() {
    let mut cluster = Cluster::start().await;
    let leader = cluster.leader(&[0, 1, 2]).await;
    let left: Vec<usize> = (0..3).filter(|number| *number != leader).collect();
    let client = cluster.client(&left);
    client.put("before", "stop").await.unwrap();
    let term = client.leader().await.unwrap().term;
    cluster.take(leader).stop().await;
    let successor = client.leader().await.unwrap();
    assert_eq!(successor.term, term + 1, "one term on: nobody had to find out by waiting");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_member_does_not_come_back_under_its_old_name() {
    let mut cluster = Cluster::start().await;
    cluster.client(&[0, 1, 2]).put("name", "RaftKV").await.unwrap();
    cluster.take(1).stop().await;
    std::fs::remove_dir_all(cluster.scratch.0.join("1")).unwrap();
    let server = Server::open(cluster.config(1)).await.unwrap();
    let refused = tokio::time::timeout(DEADLINE, server.run(std::future::pending())).await.unwrap();
    let message = refused.unwrap_err().to_string();
    assert!(
        message.starts_with("this cluster exists; this member is new or was wiped"),
        "{message}"
    );
    assert!(message.contains("wiped while the cluster lives"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_alone_serves_at_a_port_the_system_chose() {
    let scratch = Scratch::new();
    let raw = Raw { port: Some(0), data_dir: Some(scratch.0.join("a")), ..Raw::default() };
    let server = Server::open(raw.resolve().unwrap()).await.unwrap();
    let client = Client::new(
        vec![endpoint(server.address().port())],
        Options { timeout: DEADLINE, ..Options::default() },
    );
    let (stop, stopped) = oneshot::channel::<()>();
    let done = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    client.put("k", "v").await.unwrap();
    assert_eq!(value(&client, "k").await.as_deref(), Some("v"));
    stop.send(()).unwrap();
    done.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_waits_for_its_peers_says_so_and_can_be_stopped() {
    let scratch = Scratch::new();
    let [port, missing] = free_ports().await;
    let raw = Raw {
        port: Some(port),
        peers: Some(vec![format!("localhost:{missing}")]),
        data_dir: Some(scratch.0.join("a")),
        ..Raw::default()
    };
    let member = Running::start(raw.resolve().unwrap()).await;
    let client = Client::new(vec![endpoint(port)], Options::default());
    let deadline = Instant::now() + DEADLINE;
    let said = loop {
        let said = client.health().await.unwrap_err().to_string();
        if said.contains("waiting for peers") {
            break said;
        }
        assert!(Instant::now() < deadline, "it says only {said:?}");
        tokio::task::yield_now().await;
    };
    assert!(said.contains(&format!("localhost:{missing}")), "{said}");
    member.stop().await;
}

fn alone(directory: PathBuf, name: &str) -> Config {
    let node_id = Some(name.to_owned());
    let raw = Raw { node_id, port: Some(0), data_dir: Some(directory), ..Raw::default() };
    raw.resolve().unwrap()
}

async fn refusal(config: Config) -> String {
    match Server::open(config).await {
        Ok(_) => panic!("it should not open"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let scratch = Scratch::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let data_dir = Some(scratch.0.join("a"));
    let config = Raw { port: Some(port), data_dir, ..Raw::default() }.resolve().unwrap();
    let message = refusal(config).await;
    assert!(message.starts_with(&format!("port {port} is taken: ")), "{message}");
}

#[tokio::test]
async fn a_data_directory_in_use_or_of_another_member_is_refused() {
    let scratch = Scratch::new();
    let directory = scratch.0.join("a");
    let first = Server::open(alone(directory.clone(), "one")).await.unwrap();
    let locked = refusal(alone(directory.clone(), "one")).await;
    assert!(locked.contains("in use by another process"), "{locked}");
    drop(first);
    let foreign = refusal(alone(directory, "two")).await;
    assert!(foreign.contains("belongs to one, not to two"), "{foreign}");
}

#[tokio::test]
async fn a_data_directory_that_can_not_be_made_is_refused() {
    let scratch = Scratch::new();
    let file = scratch.0.join("file");
    std::fs::write(&file, "").unwrap();
    let message = refusal(alone(file.join("below"), "one")).await;
    assert!(message.contains("Not a directory"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_stops_the_start_and_says_where() {
    let scratch = Scratch::new();
    let directory = scratch.0.join("a");
    for _ in 0..2 {
        let server = Server::open(alone(directory.clone(), "one")).await.unwrap();
        let client = Client::new(
            vec![endpoint(server.address().port())],
            Options { timeout: DEADLINE, ..Options::default() },
        );
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        client.put("k", "v").await.unwrap();
        stop.send(()).unwrap();
        done.await.unwrap().unwrap();
    }
    let mut segments: Vec<PathBuf> = std::fs::read_dir(directory.join("wal"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    segments.sort();
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    // Inside the first frame, behind the segment's header block.
    bytes[4096 + 70] ^= 1;
    std::fs::write(&segments[0], bytes).unwrap();
    let server = Server::open(alone(directory, "one")).await.unwrap();
    let damaged = server.run(std::future::pending()).await.unwrap_err();
    assert!(matches!(damaged, StartError::Log(_)), "{damaged}");
    let message = damaged.to_string();
    let name = segments[0].file_name().unwrap().to_str().unwrap();
    assert!(message.contains(name), "{message}");
}

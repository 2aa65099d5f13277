//! `raftkv dev` and the commands against it, as a user has them: real processes, real signals.

#![allow(clippy::unwrap_used, reason = "test support: a failure here fails the test")]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Nothing here takes this long on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(5);

/// A running `raftkv dev` of three members. Dropped, it is killed; its members must follow.
struct Dev {
    process: Child,
    port: u16,
    directory: PathBuf,
}

impl Dev {
    fn start() -> Dev {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("raftkv-dev-test-{}-{number}", std::process::id());
        Dev::start_in(std::env::temp_dir().join(name), free_ports())
    }

    fn start_in(directory: PathBuf, port: u16) -> Dev {
        fs::create_dir_all(&directory).unwrap();
        let output = fs::File::create(directory.join("said")).unwrap();
        let dashboard = (port + 3).to_string();
        let process = raftkv(&["dev", "--port", &port.to_string(), "--dashboard-port", &dashboard])
            .arg("--data-dir")
            .arg(&directory)
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let dev = Dev { process, port, directory };
        dev.wait_until("the members are announced", || dev.said().contains("Ctrl-C stops them"));
        dev
    }

    /// What it has printed so far.
    fn said(&self) -> String {
        fs::read_to_string(self.directory.join("said")).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let endpoints: Vec<_> =
            (0..3).map(|member| format!("localhost:{}", self.port + member)).collect();
        raftkv(arguments).env("RAFTKV_ENDPOINTS", endpoints.join(",")).output().unwrap()
    }

    /// What a command prints that must succeed.
    fn printed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}\n{}", self.said());
        String::from_utf8(output.stdout).unwrap()
    }

    /// The process of the member that leads, as the banner tells it.
    fn leader_pid(&self) -> Pid {
        let name = self.printed(&["leader"]).split_whitespace().next().unwrap().to_owned();
        let said = self.said();
        let line = said.lines().find(|line| line.trim_start().starts_with(&name)).unwrap();
        let after = line.split("pid ").nth(1).unwrap();
        pid(after.split_whitespace().next().unwrap().parse().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(pid(self.process.id()), signal).unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.process.try_wait().unwrap() {
                Some(status) => return status,
                None => assert!(Instant::now() < deadline, "still up:\n{}", self.said()),
            }
            thread::park_timeout(POLL);
        }
    }

    fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < deadline, "not seen: {what}\n{}", self.said());
            thread::park_timeout(POLL);
        }
    }

    fn ports_are_free(&self) -> bool {
        are_free(self.port)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        if thread::panicking() {
            return;
        }
        self.wait_until("all members ended after their parent", || self.ports_are_free());
        fs::remove_dir_all(&self.directory).ok();
    }
}

fn raftkv(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raftkv"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(number.try_into().unwrap()).unwrap()
}

/// The first of four ports in a row that nobody uses, the last one for the dashboard. They are let
/// go again, so somebody else might take them: below the range that the system hands out by itself,
/// and away from other tests by the process id.
fn free_ports() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id() % 750;
    for _ in 0..750 {
        let step = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 750;
        let port = u16::try_from(20_000 + 4 * step).unwrap();
        if are_free(port) {
            return port;
        }
    }
    panic!("no four free ports between 20000 and 23000");
}

fn are_free(port: u16) -> bool {
    (0..4).all(|member| TcpListener::bind(("127.0.0.1", port + member)).is_ok())
}

#[test]
fn a_user_can_put_get_list_and_delete() {
    let dev = Dev::start();
    assert_eq!(dev.printed(&["put", "db.host", "postgres.internal"]), "OK\n");
    assert_eq!(dev.printed(&["get", "db.host"]), "db.host = postgres.internal\n");
    assert_eq!(dev.printed(&["set", "db.port", "-5432"]), "OK\n");
    assert_eq!(dev.printed(&["list", "db."]), "db.host = postgres.internal\ndb.port = -5432\n");
    assert_eq!(dev.printed(&["list", "--keys-only", "--limit", "1"]), "db.host\n");
    assert_eq!(dev.printed(&["delete", "db.host", "db.port"]), "OK\nOK\n");
    assert_eq!(dev.printed(&["list"]), "");
    assert_eq!(
        dev.printed(&["get", "db.host", "--revision", "2", "-o", "plain"]),
        "postgres.internal\n"
    );

    let missing = dev.run(&["get", "db.host"]);
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&missing.stderr), "raftkv: not found: db.host\n");
    assert_eq!(dev.run(&["delete", "db.host"]).status.code(), Some(1));
    assert_eq!(dev.run(&["get", "k", "--revision", "999"]).status.code(), Some(2));
}

#[test]
fn any_bytes_survive_the_way_through_standard_input_and_base64() {
    let dev = Dev::start();
    let bytes: Vec<u8> = (0..=255).collect();
    let endpoint = format!("localhost:{}", dev.port);
    let mut put = raftkv(&["put", "a/b c", "-", "--node", &endpoint])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    put.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(put.wait().unwrap().success());
    let plain = dev.run(&["get", "a/b c", "-o", "plain"]).stdout;
    assert_eq!(plain, [&bytes[..], b"\n"].concat());
    let base64 = dev.printed(&["get", "a/b c", "--base64", "-o", "plain"]);
    dev.printed(&["put", "copy", base64.trim(), "--base64"]);
    assert_eq!(dev.run(&["get", "copy", "-o", "plain"]).stdout, plain);
}

/// More writes than a session keeps apart, all at once: the client lets them in by turns.
#[tokio::test]
async fn any_number_of_writes_of_one_client_may_be_sent_at_once() {
    const WRITES: u64 = 3_000;
    let dev = Dev::start();
    let endpoint = format!("localhost:{}", dev.port).parse().unwrap();
    let options = client::Options { timeout: PATIENCE, ..client::Options::default() };
    let client = client::Client::new(vec![endpoint], options);
    let mut writes = tokio::task::JoinSet::new();
    for number in 0..WRITES {
        let client = client.clone();
        writes.spawn(async move { client.put("counter", number.to_string()).await });
    }
    while let Some(written) = writes.join_next().await {
        written.unwrap().unwrap();
    }
    let counter = client.get("counter").await.unwrap().unwrap();
    assert_eq!(counter.version, WRITES, "each was done, and once");
}

#[test]
fn a_killed_leader_is_told_of_and_survived() {
    let dev = Dev::start();
    dev.printed(&["put", "k", "before"]);
    // Two make a majority: the third may still be on its way.
    dev.wait_until("all members work", || dev.printed(&["status"]).contains("3 of 3 members work"));
    kill_process(dev.leader_pid(), Signal::KILL).unwrap();
    dev.printed(&["put", "k", "after"]);
    assert_eq!(dev.printed(&["get", "k"]), "k = after\n");
    dev.wait_until("the end of a member is told", || dev.said().contains("2 of 3 members run"));
    assert!(dev.said().contains("SIGKILL"), "{}", dev.said());
    assert!(dev.printed(&["status"]).contains("the next failure stops reads and writes"));
    let health = dev.run(&["health"]);
    assert_eq!(health.status.code(), Some(1), "one member is away");
}

#[test]
fn leadership_moves_on_request() {
    let dev = Dev::start();
    let leader = || dev.printed(&["leader"]).split(' ').next().unwrap().to_owned();
    let target = if leader() == "node-1" { "node-2" } else { "node-1" };
    assert_eq!(dev.printed(&["transfer", target]), format!("{target} leads now\n"));
    dev.wait_until("all members know the new leader", || leader() == target);
    let unknown = dev.run(&["transfer", "node-9"]);
    assert_eq!(unknown.status.code(), Some(1), "not found");
}

#[test]
fn it_stops_in_good_order_and_a_rerun_goes_on() {
    let mut dev = Dev::start();
    dev.printed(&["put", "k", "kept"]);
    dev.signal(Signal::TERM);
    assert!(dev.wait().success(), "{}", dev.said());
    assert!(dev.ports_are_free(), "a member outlived its parent");
    let (directory, port) = (dev.directory.clone(), dev.port);
    std::mem::forget(dev);
    let again = Dev::start_in(directory, port);
    assert_eq!(again.printed(&["get", "k"]), "k = kept\n");
}

#[test]
fn members_do_not_outlive_a_killed_parent() {
    let mut dev = Dev::start();
    dev.signal(Signal::KILL);
    dev.wait();
    dev.wait_until("all members ended after their parent", || dev.ports_are_free());
}

#[test]
fn what_stands_in_the_way_is_said() {
    let dev = Dev::start();
    let directory = dev.directory.to_str().unwrap().to_owned();
    let second = raftkv(&["dev", "--data-dir", &directory]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another `raftkv dev` runs here"));

    let other = format!("{directory}-other");
    let port = dev.port.to_string();
    let taken = raftkv(&["dev", "--data-dir", &other, "--port", &port]).output().unwrap();
    assert_eq!(taken.status.code(), Some(1));
    let message = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert!(message.contains(&format!("port {port} can not be used")), "{message}");
    fs::remove_dir_all(other).unwrap();
}

#[test]
fn without_a_cluster_commands_say_so() {
    let nowhere = format!("localhost:{}", free_ports());
    for command in [&["put", "k", "v"][..], &["get", "k"], &["status"], &["health"], &["leader"]] {
        let output =
            raftkv(command).args(["--node", &nowhere, "--timeout", "200ms"]).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(3), "{command:?}: {message}");
        assert!(message.contains("connection refused"), "{command:?}: {message}");
    }
}

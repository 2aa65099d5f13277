//! `raftkv dev` as a user has it: one command, real child processes, Ctrl-C.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use system_tests::http::Http;
use system_tests::ports::Ports;
use system_tests::program::{self, Running};
use system_tests::scratch::Scratch;
use system_tests::wait;

/// `raftkv dev` in a directory and on ports of its own.
struct Dev {
    scratch: Scratch,
    ports: Ports,
    running: Running,
}

impl Dev {
    fn start(members: u16, arguments: &[&str]) -> Dev {
        let (scratch, ports) = (Scratch::new(), Ports::in_a_row(members));
        let running = launch(&scratch, &ports, arguments);
        Dev { scratch, ports, running }
    }

    /// Runs it once more, where the run before ended.
    fn start_again(&mut self, arguments: &[&str]) {
        self.running = launch(&self.scratch, &self.ports, arguments);
    }

    /// What the terminal does at Ctrl-C: a signal to the parent, which the children do not see.
    fn interrupt(&mut self) {
        let process = Pid::from_raw(self.running.id().cast_signed()).unwrap();
        kill_process(process, Signal::INT).unwrap();
        assert_eq!(self.running.wait(), Some(0), "{}", self.running.stderr());
    }

    fn is_announced(&self) -> bool {
        self.running.stdout().contains("Ctrl-C stops them")
    }

    fn wait_announced(&self) {
        wait::until_true("the members are announced", || self.is_announced());
    }

    fn wait_ended(&self) {
        wait::until_true("no member is left", || self.ports.are_free());
    }

    fn http(&self) -> Http {
        Http::new(self.ports.numbers()[0])
    }

    /// What a command prints as JSON.
    fn ask(&self, arguments: &[&str]) -> Value {
        let node = format!("localhost:{}", self.ports.numbers()[0]);
        let directory = Scratch::new();
        let line = [arguments, &["-o", "json", "--node", &node]].concat();
        let ended = program::run(directory.path(), &line);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str(&ended.stdout).unwrap()
    }
}

fn launch(scratch: &Scratch, ports: &Ports, arguments: &[&str]) -> Running {
    let port = ports.numbers()[0].to_string();
    let line = [&["dev", "--port", &port], arguments].concat();
    Running::start(scratch.path(), &line).unwrap()
}

impl Drop for Dev {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (said, errors) = (self.running.stdout(), self.running.stderr());
            eprintln!("--- what dev said\n{said}{errors}");
        }
    }
}

/// A write through the first member is acknowledged; how long after `begin`.
fn first_write(dev: &Dev, begin: Instant) -> Duration {
    let mut http = dev.http();
    wait::until_true("a write is acknowledged", || {
        let answer = http.request("PUT", "/kv/first", r#"{"value":"write"}"#);
        answer.is_ok_and(|answer| answer.status == 200)
    });
    begin.elapsed()
}

/// Past this, something else is wrong than a busy machine.
const FIRST_WRITE_MAX: Duration = Duration::from_secs(10);

#[test]
fn the_first_write_comes_soon_after_the_start() {
    let begin = Instant::now();
    let dev = Dev::start(3, &[]);
    let took = first_write(&dev, begin);
    println!("dev: first write acknowledged {} ms after the start", took.as_millis());
    assert!(took < FIRST_WRITE_MAX, "{took:?}");
    assert!(dev.scratch.path().join("raftkv-dev/node-1").is_dir());
}

#[test]
fn ctrl_c_stops_all_a_rerun_goes_on_and_fresh_empties() {
    let mut dev = Dev::start(3, &[]);
    dev.wait_announced();
    first_write(&dev, Instant::now());
    dev.interrupt();
    assert!(dev.ports.are_free(), "a member outlived its parent");

    dev.start_again(&[]);
    dev.wait_announced();
    assert_eq!(dev.http().get("/kv/first").json()["value"], "write");
    dev.interrupt();

    dev.start_again(&["--fresh"]);
    dev.wait_announced();
    assert_eq!(dev.http().get("/kv/first").code(), "not_found");
}

#[test]
fn no_member_outlives_a_killed_parent() {
    let mut dev = Dev::start(3, &[]);
    dev.wait_announced();
    dev.running.kill();
    dev.wait_ended();
}

#[test]
fn five_members_and_their_status_for_programs() {
    let mut dev = Dev::start(5, &["--members", "5"]);
    dev.wait_announced();
    assert_eq!(dev.ask(&["put", "k", "v"])["status"], "committed");
    assert_eq!(dev.ask(&["get", "k"])["value"], "v");
    let status = wait::until("all five are seen to work", || {
        let status = dev.ask(&["status"]);
        (status["health"] == "healthy").then_some(status)
    });
    assert_eq!(status["members"].as_array().unwrap().len(), 5, "{status}");
    dev.interrupt();
    dev.wait_ended();
}

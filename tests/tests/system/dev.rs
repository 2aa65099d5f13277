//! `raftkv dev` as a user has it: one command, real child processes, Ctrl-C.

use std::time::{Duration, Instant};

use serde_json::Value;
use system_tests::dev::Dev;
use system_tests::program;
use system_tests::scratch::Scratch;
use system_tests::wait;

/// What a command prints as JSON.
fn ask(dev: &Dev, arguments: &[&str]) -> Value {
    let node = format!("localhost:{}", dev.port(1));
    let directory = Scratch::new();
    let line = [arguments, &["-o", "json", "--node", &node]].concat();
    let ended = program::run(directory.path(), &line);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// A write through the first member is acknowledged; how long after `begin`.
fn first_write(dev: &Dev, begin: Instant) -> Duration {
    let mut http = dev.http(1);
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
    let dev = Dev::start(3, 0, &[]);
    let took = first_write(&dev, begin);
    println!("dev: first write acknowledged {} ms after the start", took.as_millis());
    assert!(took < FIRST_WRITE_MAX, "{took:?}");
    assert!(dev.directory().join("raftkv-dev/node-1").is_dir());
}

#[test]
fn ctrl_c_stops_all_a_rerun_goes_on_and_fresh_empties() {
    let mut dev = Dev::start(3, 0, &[]);
    dev.wait_announced();
    first_write(&dev, Instant::now());
    dev.interrupt();
    assert!(dev.has_ended(), "a member outlived its parent");

    dev.start_again(&[]);
    dev.wait_announced();
    assert_eq!(dev.http(1).get("/kv/first").json()["value"], "write");
    dev.interrupt();

    dev.start_again(&["--fresh"]);
    dev.wait_announced();
    assert_eq!(dev.http(1).get("/kv/first").code(), "not_found");
}

#[test]
fn no_member_outlives_a_killed_parent() {
    let mut dev = Dev::start(3, 0, &[]);
    dev.wait_announced();
    dev.kill();
    dev.wait_ended();
}

#[test]
fn five_members_and_their_status_for_programs() {
    let mut dev = Dev::start(5, 0, &[]);
    dev.wait_announced();
    assert_eq!(ask(&dev, &["put", "k", "v"])["status"], "committed");
    assert_eq!(ask(&dev, &["get", "k"])["value"], "v");
    let status = wait::until("all five are seen to work", || {
        let status = ask(&dev, &["status"]);
        (status["health"] == "healthy").then_some(status)
    });
    assert_eq!(status["members"].as_array().unwrap().len(), 5, "{status}");
    dev.interrupt();
    dev.wait_ended();
}

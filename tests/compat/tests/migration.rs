//! docs/migration-from-etcd.md, done with a real etcd: the mirror under writers, the change, the
//! way back.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use compat::etcd::{Etcd, program};
use compat::etcdctl::run;
use system_tests::cluster::Cluster;
use system_tests::wait;

/// More than the mirror copies in one transaction, or reads in one page.
const KEYS: usize = 1_500;

/// Everything, as the page compares it: keys and values, in order.
const ALL: [&str; 3] = ["get", "", "--from-key"];

/// `etcdctl make-mirror`, until it is dropped.
struct Mirror(Child);

impl Mirror {
    fn start(from: u16, to: u16) -> Mirror {
        let mut command = Command::new(program("etcdctl"));
        command.arg(format!("--endpoints=127.0.0.1:{from}"));
        command.args(["make-mirror", &format!("127.0.0.1:{to}")]).env("ETCDCTL_API", "3");
        Mirror(command.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A program that puts, overwrites and deletes keys of its own until it is told to stop.
struct Writer {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(port: u16) -> Writer {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stop_told, counted) = (Arc::clone(&stop), Arc::clone(&done));
        let thread = thread::spawn(move || {
            for number in 0.. {
                if stop_told.load(Ordering::Relaxed) {
                    return;
                }
                let put =
                    |key: usize| say(port, &["put", &format!("live/{key}"), &number.to_string()]);
                assert_eq!(put(number), "OK\n");
                assert_eq!(put(number / 2), "OK\n");
                if number % 3 == 0 {
                    assert_eq!(say(port, &["del", &format!("live/{number}")]), "1\n");
                }
                counted.store(number, Ordering::Relaxed);
            }
        });
        Writer { stop, done, thread }
    }

    fn go_on(&self) {
        let before = self.done.load(Ordering::Relaxed);
        wait::until_true("writes go on", || {
            assert!(!self.thread.is_finished(), "the writer says why above");
            self.done.load(Ordering::Relaxed) > before + 10
        });
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// What `etcdctl` prints.
fn say(port: u16, words: &[&str]) -> String {
    run(&program("etcdctl"), port, words, "").stdout
}

/// Many keys, in few transactions.
fn fill(port: u16) {
    for start in (0..KEYS).step_by(100) {
        let puts: String =
            (start..start + 100).map(|n| format!("put old/{n} \"value {n}\"\n")).collect();
        let answer = run(&program("etcdctl"), port, &["txn"], &format!("\n{puts}\n\n"));
        assert!(answer.stdout.starts_with("SUCCESS"), "{answer:?}");
    }
}

/// The steps of the change: the last key has come over, and both hold the same.
fn change(from: u16, to: u16, mark: &str) {
    assert_eq!(say(from, &["put", "migration/end", mark]), "OK\n");
    wait::until_true("the last key is at the new cluster", || {
        say(to, &["get", "migration/end", "--print-value-only"]).trim() == mark
    });
    assert_eq!(say(from, &ALL), say(to, &ALL), "both hold the same");
}

#[test]
fn keys_come_over_under_writers_and_go_back() {
    let (etcd, raftkv) = (Etcd::start(), Cluster::start(3));
    let (old, new) = (etcd.port(), raftkv.ports()[0]);
    fill(old);
    let writer = Writer::start(old);
    let mirror = Mirror::start(old, new);
    wait::until_true("the mirror tells what happens now", || {
        writer.go_on();
        say(new, &["get", "live/", "--prefix", "--keys-only"]).contains("live/")
    });
    writer.go_on();
    writer.stop();
    change(old, new, "there");
    drop(mirror);

    // Programs go on at the new cluster, and the old one is kept up to date.
    let back = Mirror::start(new, old);
    let writer = Writer::start(raftkv.ports()[1]);
    writer.go_on();
    writer.stop();
    change(new, old, "and back");
    drop(back);
    raftkv.check_converged();
}

#[test]
fn a_mirror_that_ended_is_begun_anew_on_an_empty_cluster() {
    let (etcd, raftkv) = (Etcd::start(), Cluster::start(3));
    let (old, new) = (etcd.port(), raftkv.ports()[0]);
    let keys = |port| {
        let printed = say(port, &["get", "", "--from-key", "--keys-only"]);
        printed.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    for key in ["a", "b"] {
        say(old, &["put", key, "1"]);
    }
    let mirror = Mirror::start(old, new);
    wait::until_true("both keys are there", || keys(new).len() == 2);
    drop(mirror);
    assert_eq!(say(old, &["del", "a"]), "1\n");
    // The page says why the new cluster is emptied: this key would stay.
    let mirror = Mirror::start(old, new);
    say(old, &["put", "c", "1"]);
    wait::until_true("the mirror goes on", || keys(new).contains("c"));
    assert!(keys(new).contains("a"), "if this is so no more, the page may say so");
    drop(mirror);

    assert_eq!(say(new, &["del", "", "--from-key"]), "3\n");
    let _mirror = Mirror::start(old, new);
    change(old, new, "there");
    assert!(!keys(new).contains("a"));
}

//! Times to live and leases on real members. When a key went is read in its history: the times of
//! its writes there are the leader's, so a slow machine makes no difference to what is judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use system_tests::cluster::Cluster;
use system_tests::http::{Answer, Http};
use system_tests::wait;

/// What is due is gone so much later, while there is a leader (docs/guarantees.md).
const GONE_WITHIN_MS: u64 = 500;

/// Stamps are whole milliseconds, of a clock that may be corrected a little meanwhile.
const CLOCK_MS: u64 = 5;

/// Asks one member after the other until one of them has done it.
fn done(ports: &[u16], method: &str, target: &str, body: &str) -> Answer {
    let mut members = ports.iter().cycle();
    wait::until("a member does it", || {
        let answer = Http::new(*members.next()?).request(method, target, body).ok()?;
        (answer.status == 200).then_some(answer)
    })
}

fn put(ports: &[u16], key: &str, more: &Value) {
    let mut body = json!({ "value": "v" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    done(ports, "PUT", &format!("/kv/{key}"), &body.to_string());
}

/// Waits until the key is gone, and tells when it was written last and when it went, in ms, and the
/// revision of that.
fn went(ports: &[u16], key: &str) -> (u64, u64, u64) {
    let versions = wait::until("the key goes", || {
        let history = done(ports, "GET", &format!("/history/{key}"), "").json();
        let versions = history["versions"].as_array().unwrap().clone();
        (versions[0]["deleted"] == true).then_some(versions)
    });
    let ms = |version: &Value| version["timestamp"].as_u64().unwrap() / 1_000;
    (ms(&versions[1]), ms(&versions[0]), versions[0]["revision"].as_u64().unwrap())
}

/// A client that writes all the time, and so knows for how long the cluster took no writes: there
/// was no leader, or a disk stood still. A removal is a write too.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Writer {
    /// A write that takes no longer is none that had to wait.
    const SWIFT_MS: u64 = 50;

    fn start(ports: Vec<u16>) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let of_stop = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut waited_ms = 0;
            while !of_stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                put(&ports, "writer", &json!({}));
                let took_ms = begun.elapsed().as_millis() as u64;
                waited_ms += if took_ms > Writer::SWIFT_MS { took_ms } else { 0 };
                wait::pause();
            }
            waited_ms
        });
        Writer { stop, thread }
    }

    /// For how many ms writes have waited, all in all.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Some of the keys go before the leader is killed, some while there is none, some after.
#[test]
fn keys_go_when_their_time_is_over_and_not_before_though_the_leader_is_killed() {
    let mut cluster = Cluster::start(3);
    let ports = cluster.ports();
    let keys: Vec<(String, u64)> =
        (1..=40).map(|number| (format!("k{number}"), 150 * number)).collect();
    for (key, ttl_ms) in &keys {
        put(&ports, key, &json!({ "ttl": *ttl_ms as f64 / 1_000.0 }));
    }
    let writer = Writer::start(ports.clone());
    went(&ports, "k1");
    let leader = cluster.leader();
    cluster.kill([leader]);
    put(&ports, "again", &json!({}));
    cluster.start_all();
    let lives: Vec<_> = keys.iter().map(|(key, _)| went(&ports, key)).collect();
    let without_writes_ms = writer.stop();
    for ((key, ttl_ms), (written_ms, gone_ms, _)) in keys.iter().zip(lives) {
        let lived_ms = gone_ms - written_ms;
        let longest_ms = ttl_ms + GONE_WITHIN_MS + without_writes_ms + CLOCK_MS;
        assert!(lived_ms + CLOCK_MS >= *ttl_ms, "{key}: {lived_ms} ms of {ttl_ms}");
        assert!(
            lived_ms <= longest_ms,
            "{key}: {lived_ms} ms of {ttl_ms}, and {without_writes_ms} without writes"
        );
    }
    cluster.check_converged();
}

/// A client that keeps a lease alive, through whichever member answers.
struct Keeper {
    stop: Arc<AtomicBool>,
    kept: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Keeper {
    fn start(ports: Vec<u16>, lease: i64) -> Keeper {
        let (stop, kept) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (of_stop, of_kept) = (Arc::clone(&stop), Arc::clone(&kept));
        let thread = thread::spawn(move || {
            let target = format!("/leases/{lease}/keepalive?timeout_ms=1000");
            for port in ports.iter().cycle() {
                if of_stop.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(answer) = Http::new(*port).request("POST", &target, "") {
                    assert_ne!(answer.code(), "lease_not_found", "it was kept alive all the time");
                    of_kept.fetch_add(u64::from(answer.status == 200), Ordering::Relaxed);
                }
                wait::pause();
            }
        });
        Keeper { stop, kept, thread }
    }

    /// Waits until it was kept alive so many times more.
    fn goes_on(&self, times: u64) {
        let before = self.kept.load(Ordering::Relaxed);
        wait::until_true("the lease is kept alive", || {
            assert!(!self.thread.is_finished(), "the keeper has ended: it says why above");
            self.kept.load(Ordering::Relaxed) >= before + times
        });
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

#[test]
fn a_lease_that_is_kept_alive_keeps_its_keys_though_leaders_are_killed() {
    const TTL_S: u64 = 4;
    let mut cluster = Cluster::start(3);
    let ports = cluster.ports();
    let body = json!({ "ttl": TTL_S }).to_string();
    let lease = done(&ports, "POST", "/leases", &body).json()["lease"].as_i64().unwrap();
    let keys = ["a", "b", "c"];
    for key in keys {
        put(&ports, key, &json!({ "lease": lease }));
    }
    let begun = Instant::now();
    let keeper = Keeper::start(ports.clone(), lease);
    for _ in 0..2 {
        keeper.goes_on(20);
        let leader = cluster.leader();
        cluster.kill([leader]);
        keeper.goes_on(20);
        cluster.start_all();
    }
    while begun.elapsed() < Duration::from_secs(2 * TTL_S) {
        keeper.goes_on(10);
    }
    for key in keys {
        assert_eq!(cluster.http(0).get(&format!("/kv/{key}")).json()["lease"], lease, "{key}");
    }
    keeper.stop();
    let revisions = keys.map(|key| went(&ports, key).2);
    assert_eq!(revisions, [revisions[0]; 3], "all keys of a lease go at once");
    let told = cluster.http(1).get(&format!("/leases/{lease}"));
    assert_eq!((told.status, told.code().as_str()), (404, "lease_not_found"));
    cluster.check_converged();
}

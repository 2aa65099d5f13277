//! Writes with a name, on real members: sent again until an answer comes, done once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use system_tests::cluster::Cluster;
use system_tests::http::{Answer, Http};
use system_tests::program::{self, Ended};
use system_tests::wait;

/// How a writer names its writes.
#[derive(Clone)]
enum Names {
    Session(String),
    Keys,
}

impl Names {
    /// The header of write `number`, which is the first that waits for an answer.
    fn header(&self, number: u64) -> String {
        match self {
            Names::Session(session) => format!("Raftkv-Session: {session};{number};{number}"),
            Names::Keys => format!("Idempotency-Key: write-{number}-of-the-counter"),
        }
    }
}

/// A client that counts by writing one key: the key's version is how often that was done.
struct Counter {
    ports: Vec<u16>,
    key: &'static str,
    names: Names,
    /// To which member it speaks.
    member: usize,
    http: Http,
}

impl Counter {
    fn new(ports: Vec<u16>, key: &'static str, names: Names) -> Counter {
        let http = Http::new(ports[0]);
        Counter { ports, key, names, member: 0, http }
    }

    /// Sends write `number` until somebody answers it.
    fn count(&mut self, number: u64) -> Answer {
        wait::until("the write is answered", || {
            match self.http.send(&self.request(number)) {
                Ok(answer) if answer.status == 200 => return Some(answer),
                Ok(answer) => assert!(answer.status >= 500 || answer.status == 421, "{answer:?}"),
                Err(_) => {}
            }
            self.turn_away();
            None
        })
    }

    fn request(&self, number: u64) -> Vec<u8> {
        let (key, header) = (self.key, self.names.header(number));
        // A second is enough for an election; what takes longer is sent again, elsewhere.
        let target = format!("/kv/{key}?timeout_ms=1000");
        let body = r#"{"value":"counted"}"#;
        let length = body.len();
        let head = format!("PUT {target} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n");
        format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
    }

    fn turn_away(&mut self) {
        self.member = (self.member + 1) % self.ports.len();
        self.http = Http::new(self.ports[self.member]);
    }
}

/// Every write is sent again when its answer is lost, and every tenth once more for nothing,
/// through another member; the leader is killed meanwhile. Each is counted once.
#[test]
fn what_is_sent_again_while_leaders_die_is_counted_once() {
    let mut cluster = Cluster::start(3);
    let opened = cluster.http(0).request("POST", "/session", "").unwrap();
    let session = opened.json()["session"].as_str().unwrap().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let counters = [("in-session", Names::Session(session)), ("with-keys", Names::Keys)];
    let counters = counters.map(|(key, names)| {
        let (counter, stop) = (Counter::new(cluster.ports(), key, names), Arc::clone(&stop));
        let counted = Arc::new(AtomicU64::new(0));
        let of_thread = Arc::clone(&counted);
        (key, counted, thread::spawn(move || count_on(counter, &stop, &of_thread)))
    });
    let go_on = || {
        for (key, counted, thread) in &counters {
            let before = counted.load(Ordering::Relaxed);
            wait::until_true("the counter goes on", || {
                assert!(!thread.is_finished(), "{key} has ended: it says why above");
                counted.load(Ordering::Relaxed) >= before + 50
            });
        }
    };
    go_on();
    for _ in 0..3 {
        let leader = cluster.leader();
        cluster.kill([leader]);
        go_on();
        cluster.start_all();
        go_on();
    }
    stop.store(true, Ordering::Relaxed);
    for (key, _, thread) in counters {
        let counted = thread.join().unwrap();
        let found = cluster.http(1).get(&format!("/kv/{key}"));
        assert_eq!(found.json()["version"], counted, "{key}");
    }
    cluster.check_converged();
}

/// Counts until told to stop; how far it came.
fn count_on(mut counter: Counter, stop: &AtomicBool, counted: &AtomicU64) -> u64 {
    for number in 1.. {
        if stop.load(Ordering::Relaxed) {
            return number - 1;
        }
        let answer = counter.count(number);
        let revision = answer.json()["revision"].clone();
        if number % 10 == 0 {
            counter.turn_away();
            let again = counter.count(number);
            assert_eq!(again.json()["revision"], revision, "the first answer again");
            assert_eq!(again.header("idempotent-replay"), Some("true"));
        }
        counted.store(number, Ordering::Relaxed);
    }
    unreachable!("the numbers do not end")
}

#[test]
fn commands_with_conditions_do_nothing_and_show_the_key_when_those_fail() {
    let cluster = Cluster::start(1);
    let endpoint = format!("http://localhost:{}", cluster.ports()[0]);
    let run = |line: &[&str]| -> Ended {
        program::run(cluster.directory(), &[line, &["--endpoints", &endpoint]].concat())
    };
    let failed = |ended: &Ended, shown: &str| {
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), shown), "{ended:?}");
        assert!(ended.stderr.contains("the condition does not hold"), "{ended:?}");
    };
    assert_eq!(run(&["put", "k", "first", "--if-absent"]).code, Some(0));
    failed(&run(&["put", "k", "second", "--if-absent"]), "k = first\n");
    failed(&run(&["put", "k", "second", "--if-revision", "9"]), "k = first\n");
    let json = run(&["put", "k", "second", "--if-revision", "9", "-o", "json"]);
    assert!(json.stdout.contains(r#""value":"first""#), "{json:?}");
    assert_eq!(run(&["put", "k", "second", "--if-revision", "2"]).code, Some(0));
    failed(&run(&["delete", "k", "--if-revision", "2"]), "k = second\n");
    assert_eq!(run(&["delete", "k", "--if-revision", "3"]).code, Some(0));
    failed(&run(&["delete", "k", "--if-revision", "3"]), "");
    assert_eq!(run(&["delete", "k", "l", "--if-revision", "3"]).code, Some(2));
}

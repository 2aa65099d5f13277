//! Descriptors that run out: a flood of connections takes nothing from the log and the peers, a
//! member that can open nothing more is slow until it can, and nobody dies of it. And a member that
//! many ask does not ask the leader as often.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use system_tests::cluster::{Cluster, leader_named_by};
use system_tests::http::{Answer, Http};
use system_tests::ledger::{Ledger, Outcome};
use system_tests::wait;

/// Files and connections that a member may have open: hardly more than it needs to start.
const FILES_MAX: u64 = 704;

/// Connections of a flood: more than that.
const FLOOD: usize = 770;

/// The next one is tried after this time. A member that has enough lets the others wait.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(5);

/// Changes that a member hands on to the leader at once.
const ASKS_MAX: usize = 16;

/// Writes that fill several segments of the log.
const WRITES: usize = 80;

/// How long one of them may take while its member may be waiting.
const TIMEOUT_MS: u64 = 500;

/// Sixteen of them are longer than a segment.
const VALUE_BYTES: usize = 256 << 10;

/// This process needs a descriptor for each of its connections, too.
fn raise_own_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// Whatever comes in of so many connections. They say nothing, and stay.
fn flood(port: u16) -> Vec<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let connect = |_| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).ok();
    let flood: Vec<TcpStream> = (0..FLOOD).filter_map(connect).collect();
    assert!(flood.len() > FLOOD / 10, "only {} came in", flood.len());
    flood
}

fn value(number: usize) -> String {
    format!("{number:08}").repeat(VALUE_BYTES / 8)
}

fn segments(cluster: &mut Cluster, number: usize) -> usize {
    let files = std::fs::read_dir(cluster.member(number).data().join("wal")).unwrap();
    let is_segment = |name: &str| name.ends_with(".wal");
    files.filter(|file| is_segment(&file.as_ref().unwrap().file_name().to_string_lossy())).count()
}

#[test]
fn a_flood_of_connections_takes_nothing_from_the_log_and_the_peers() {
    raise_own_limit();
    let mut cluster = Cluster::prepare(3);
    for number in cluster.numbers() {
        cluster.member(number).limit_files(FILES_MAX);
    }
    cluster.start_all();
    let leader = cluster.leader();
    let (mut ledger, mut client) = (Ledger::default(), cluster.http(leader));
    ledger.write_done(&mut client, "before", "there");
    let port = cluster.ports()[leader];
    let before = segments(&mut cluster, leader);
    let flood = flood(port);
    for number in 0..WRITES {
        ledger.write_done(&mut client, &format!("flooded-{number}"), &value(number));
    }
    let after = segments(&mut cluster, leader);
    assert!(after > before + 2, "only {after} segments, and {before} before");
    // The peers find it still: one that comes back is told everything.
    let other = cluster.others(leader)[0];
    cluster.restart(other);
    let caught_up = || {
        let answer = cluster.http(other).request("GET", "/kv/before", "").ok();
        answer.is_some_and(|answer| answer.status == 200)
    };
    wait::until_true("it serves again", caught_up);
    drop(flood);
    wait::until_true("connections are served again", || {
        cluster.http(leader).request("GET", "/livez", "").is_ok_and(|answer| answer.status == 200)
    });
    ledger.write_done(&mut cluster.http(leader), "afterwards", "there");
    ledger.check(&cluster);
}

#[cfg(target_os = "linux")]
#[test]
fn a_leader_that_can_open_nothing_more_is_slow_until_it_can() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    let (mut ledger, mut client) = (Ledger::default(), cluster.http(leader));
    ledger.write_done(&mut client, "before", "there");
    cluster.member(leader).change_file_limit(1);
    // It goes on in the segments that are prepared; then its log waits, and it leads no more.
    let (others, name) = (cluster.others(leader), cluster.member(leader).name().to_owned());
    let mut numbers = 0..;
    wait::until_true("another one leads", || {
        let number = numbers.next().unwrap();
        let (key, value) = (format!("slow-{number}"), value(number));
        let outcome = ledger.write_within(&mut client, &key, value, TIMEOUT_MS);
        assert!(!matches!(&outcome, Outcome::Refused(why) if why == "stopped"), "{outcome:?}");
        leader_named_by(&mut cluster.http(others[0])).is_some_and(|leader| leader != name)
    });
    assert!(cluster.member(leader).log().contains("too many files are open"));
    let next = cluster.leader_among(&others);
    let mut elsewhere = cluster.http(next);
    for number in 0..WRITES {
        ledger.write_done(&mut elsewhere, &format!("elsewhere-{number}"), &value(number));
    }
    cluster.member(leader).change_file_limit(FILES_MAX);
    wait::until_true("it serves again", || {
        let answer = cluster.http(leader).request("GET", "/kv/elsewhere-1", "");
        answer.is_ok_and(|answer| answer.status == 200)
    });
    assert!(cluster.member(leader).runs());
    ledger.check(&cluster);
}

#[test]
fn a_limit_that_is_too_low_is_said_at_the_start() {
    let mut cluster = Cluster::prepare(1);
    let member = cluster.member(0);
    member.limit_files(100);
    member.start();
    assert!(!member.ended().success());
    let log = member.log();
    for words in ["may have 100 files", "ulimit -n", "LimitNOFILE"] {
        assert!(log.contains(words), "{log}");
    }
}

/// The answers to so many requests at once, each on a connection of its own.
fn all_at_once(port: u16, count: usize, method: &str, target: &str) -> Vec<Answer> {
    let ask = || Http::new(port).request(method, target, "").unwrap();
    thread::scope(|scope| {
        let asking: Vec<_> = (0..count).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

#[test]
fn a_follower_that_is_asked_by_many_asks_the_leader_little() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    let (name, follower) = (cluster.member(leader).name().to_owned(), cluster.others(leader)[0]);
    let port = cluster.ports()[follower];
    let answers = all_at_once(port, 200, "GET", "/cluster/status");
    assert!(answers.iter().all(|answer| answer.status == 200), "each gets an answer");
    let told = answers.iter().filter(|it| it.json()["members_told_by"]["name"] == *name);
    assert!(told.count() > 0, "and the leader's word, if it comes in time");
    // Changes are handed on one by one, each on a connection of its own. A leader that can take no
    // new one leads on over those that it has, but holds them up, and who comes beyond those is
    // refused at once. (A leader that were silent would be replaced, and nothing held up then.)
    let target = format!("/cluster/members/{name}/promote?timeout_ms=2000");
    cluster.member(leader).change_file_limit(1);
    let answers = all_at_once(port, 2 * ASKS_MAX, "POST", &target);
    cluster.member(leader).change_file_limit(FILES_MAX);
    let refused = answers.iter().filter(|answer| answer.code() == "overloaded").count();
    assert_eq!(refused, ASKS_MAX, "{answers:?}");
    wait::until_true("it hands on again", || {
        let answer = Http::new(port).request("POST", &target, "");
        answer.is_ok_and(|answer| answer.code() == "not_a_learner")
    });
}

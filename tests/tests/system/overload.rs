//! More than members can do, and clients that ask for more than others: what is refused is refused
//! at once and for certain, and nobody else is.

use std::net::Ipv4Addr;
use std::thread;

use serde_json::Value;
use system_tests::attacked::FLOOD_BYTES_MAX;
use system_tests::cluster::Cluster;
use system_tests::h2::{END_STREAM, H2, Kind, call, frame, headers, message, streams};
use system_tests::http::Http;
use system_tests::program;
use system_tests::wait;

/// Requests that may wait for a member that has answered none lately.
const WAITING_MIN: usize = 2_048;

/// Requests on one connection at once.
const STREAMS: usize = 1_000;

/// More than may wait, on so many connections.
const CONNECTIONS: usize = 3;

/// Somebody else.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The value of a metric of a member.
fn metric(cluster: &Cluster, number: usize, name: &str) -> u64 {
    let page = cluster.http(number).get("/metrics").body;
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}: {page}"))
}

/// A connection with many puts, all of the same key.
fn many_puts(port: u16) -> H2 {
    let put = message(7, b"\x0a\x01k\x12\x02vv");
    let begin = |stream| {
        let call = headers(0, stream, &call("/etcdserverpb.KV/Put"));
        [call, frame(Kind::Data, END_STREAM, stream, &put)].concat()
    };
    let mut connection = H2::open(port);
    connection.flood(streams().take(STREAMS).map(begin));
    connection
}

#[test]
fn who_asks_for_too_much_is_refused_and_who_asks_for_little_is_served() {
    // Long enough that the leader stays one while nobody hears it.
    let mut cluster = Cluster::prepare_with(3, 0, &["--election-timeout-ms", "4000"]);
    cluster.start_all();
    let leader = cluster.leader();
    let port = cluster.ports()[leader];
    let resident_bytes = cluster.member(leader).resident_bytes();
    let others = cluster.others(leader);
    // Nothing can be committed: whatever is written waits.
    others.iter().for_each(|other| cluster.member(*other).pause());
    let mut greedy: Vec<H2> = (0..CONNECTIONS).map(|_| many_puts(port)).collect();
    let refused = "raftkv_requests_refused_total{reason=\"busy\"}";
    // A few are refused for their client's share, which is all of it.
    let beyond = (CONNECTIONS * STREAMS - WAITING_MIN) as u64 / 2;
    wait::until_true("what is too much is refused", || metric(&cluster, leader, refused) >= beyond);
    let pending = || metric(&cluster, leader, "raftkv_requests_pending ");
    wait::until_true("the rest waits", || pending() >= WAITING_MIN as u64);
    let answer = Http::new(port).get("/kv/k");
    assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"));
    assert_eq!(answer.header("retry-after"), Some("1"));

    let before = pending();
    let quiet = thread::spawn(move || {
        Http::from(OTHER, port).request("PUT", "/kv/quiet", "{\"value\":\"v\"}").unwrap()
    });
    wait::until_true("somebody else is let in", || {
        assert!(!quiet.is_finished(), "{:?}", quiet.thread());
        pending() > before
    });
    assert_eq!(Http::new(port).get("/livez").status, 200);
    others.iter().for_each(|other| cluster.member(*other).resume());
    let answer = quiet.join().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");

    // When the load is over, so are refusals; and it has cost no more than it may.
    greedy.iter_mut().for_each(|connection| connection.begun(1));
    drop(greedy);
    wait::until_true("everybody is served", || Http::new(port).get("/kv/k").status == 200);
    let grown = cluster.member(leader).resident_bytes_max() - resident_bytes;
    assert!(grown < FLOOD_BYTES_MAX, "its memory has grown by {grown} bytes");
}

#[test]
fn a_client_that_asks_too_often_is_refused_and_members_and_probes_never() {
    const PER_SECOND: usize = 20;
    let mut cluster = Cluster::prepare_with(3, 0, &["--max-requests-per-second", "20"]);
    cluster.start_all();
    let leader = cluster.leader();
    let term = cluster.status(leader)["term"].clone();
    let mut http = cluster.http(leader);
    let mut refused = 0;
    wait::until_true("a client is refused", || {
        let answer = http.request("PUT", "/kv/k", "{\"value\":\"v\"}").unwrap();
        if answer.status == 429 {
            assert_eq!(answer.code(), "too_many_requests");
            assert_eq!(answer.header("retry-after"), Some("1"));
            refused += 1;
        } else {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        refused > 3 * PER_SECOND
    });
    for path in ["/livez", "/readyz", "/metrics", "/version", "/cluster/members"] {
        for _ in 0..2 * PER_SECOND {
            assert_eq!(http.get(path).status, 200, "{path}");
        }
    }
    // It is each client's own, and each member's.
    let mut other = Http::from(OTHER, cluster.ports()[leader]);
    assert_eq!(other.get("/kv/k").status, 200);
    let follower = cluster.others(leader)[0];
    assert_eq!(cluster.http(follower).get("/kv/k").status, 200);

    let endpoint = format!("localhost:{}", cluster.ports()[follower]);
    let words = ["bench", "put", "--count", "100", "--clients", "4", "--warm-up", "0"];
    let more = ["-o", "json", "--endpoints", &endpoint];
    let ended = program::run(cluster.directory(), &[&words[..], &more].concat());
    let figures: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(figures["errors"]["resource_exhausted"].as_u64().unwrap() > 0, "{figures}");
    assert!(figures["total"]["operations"].as_u64().unwrap() > 0, "{figures}");
    // Our own client comes again when it is told to.
    let put = ["put", "patient", "v", "--endpoints", &endpoint];
    let ended = program::run(cluster.directory(), &put);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(cluster.status(leader)["term"], term, "members have heard each other all along");
}

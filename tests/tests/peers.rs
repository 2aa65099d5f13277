//! Bad input at the peers' door: whoever is no member of the cluster is refused by name, in its
//! answer and in the member's log, and nothing that comes over such a stream hurts.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use system_tests::cluster::Cluster;
use system_tests::ledger::{Ledger, Outcome};
use system_tests::peer::{self, Hello, PeerStream, Reply, frame};
use system_tests::wait;

/// What the second member may say to the first.
fn rightful(cluster: &Cluster) -> Hello {
    let page = cluster.http(0).get("/cluster/members").json();
    let member = |name: &str| {
        let members = page["members"].as_array().unwrap();
        members.iter().find(|member| member["name"] == name).unwrap().clone()
    };
    let (to, from) = (member("node-1"), member("node-2"));
    let number = |value: &serde_json::Value| u128::from_str_radix(value.as_str().unwrap(), 16);
    let id = |member: &serde_json::Value| u64::try_from(number(&member["id"]).unwrap()).unwrap();
    Hello {
        protocol_version: 1,
        feature_level: u8::try_from(page["feature_level"].as_u64().unwrap()).unwrap(),
        cluster_id: number(&page["cluster_id"]).unwrap(),
        member_id: id(&from),
        incarnation: number(&from["incarnation"]).unwrap(),
        to_member_id: id(&to),
    }
}

#[test]
fn whoever_is_not_of_the_cluster_is_refused_by_name() {
    let mut cluster = Cluster::start(3);
    let good = rightful(&cluster);
    let cases = [
        (Hello { protocol_version: 2, ..good.clone() }, peer::PROTOCOL_VERSION, "version 2"),
        (Hello { feature_level: 1, ..good.clone() }, peer::FEATURE_LEVEL, "feature level 2"),
        (Hello { cluster_id: 7, ..good.clone() }, peer::OTHER_CLUSTER, "belongs to cluster"),
        (Hello { to_member_id: 7, ..good.clone() }, peer::WRONG_MEMBER, "looks for member"),
        (Hello { member_id: good.to_member_id, ..good.clone() }, peer::UNKNOWN_MEMBER, "no id of"),
        (Hello { incarnation: 7, ..good.clone() }, peer::OTHER_INCARNATION, "data directory"),
    ];
    for (hello, expected, words) in cases {
        let mut stream = PeerStream::open(cluster.ports()[0]);
        match stream.introduce(&hello) {
            Reply::Refusal { reason, detail } => {
                assert_eq!(reason, expected, "{detail}");
                assert!(detail.contains(words), "{detail}");
            }
            Reply::Welcome => panic!("{hello:?} was let in"),
        }
        assert!(stream.is_closed());
        let member = cluster.member(0);
        wait::until_true("the refusal is in the member's log", || member.log().contains(words));
    }
    check_unharmed(&cluster);
}

#[test]
fn what_is_no_handshake_is_refused() {
    let cluster = Cluster::start(3);
    let port = cluster.ports()[0];
    let no_hello = [frame(b"\xff\xff\xff"), frame(b"")];
    for bytes in no_hello {
        let mut stream = PeerStream::open(port);
        stream.send(&bytes);
        let Reply::Refusal { reason, .. } = stream.reply() else { panic!("{bytes:?} let in") };
        assert_eq!(reason, peer::MALFORMED);
        assert!(stream.is_closed());
    }
    // A frame longer than any handshake is refused by its header, a broken one by its checksum.
    for bytes in [[0xff; 8].to_vec(), [&[3, 0, 0, 0, 0, 0, 0, 0][..], b"abc"].concat()] {
        let mut stream = PeerStream::open(port);
        stream.send(&bytes);
        let Reply::Refusal { reason, .. } = stream.reply() else { panic!("{bytes:?} let in") };
        assert_eq!(reason, peer::MALFORMED);
    }
    check_unharmed(&cluster);
}

#[test]
fn a_peer_that_breaks_the_protocol_loses_its_stream_alone() {
    let mut cluster = Cluster::start(3);
    let hello = rightful(&cluster);
    for bytes in [frame(b"no message, though the frame is good"), [0xee; 64].to_vec()] {
        let mut stream = PeerStream::open(cluster.ports()[0]);
        assert_eq!(stream.introduce(&hello), Reply::Welcome);
        stream.send(&bytes);
        assert!(stream.is_closed(), "{bytes:?}");
    }
    let member = cluster.member(0);
    wait::until_true("the member says why", || member.log().contains("breaks the protocol"));
    check_unharmed(&cluster);
}

#[test]
fn strangers_beyond_the_limit_are_refused_by_name_until_others_go() {
    let mut cluster = Cluster::start(3);
    let (rightful, port) = (rightful(&cluster), cluster.ports()[0]);
    let stranger = |number: u64| Hello { member_id: number, ..rightful.clone() };
    let strangers: Vec<PeerStream> = (1..=peer::STRANGERS_MAX)
        .map(|number| {
            let mut stream = PeerStream::open(port);
            assert_eq!(stream.introduce(&stranger(number)), Reply::Welcome);
            stream
        })
        .collect();
    let late = stranger(peer::STRANGERS_MAX + 1);
    let mut stream = PeerStream::open(port);
    match stream.introduce(&late) {
        Reply::Refusal { reason, detail } => {
            assert_eq!(reason, peer::TOO_MANY_STRANGERS, "{detail}");
            assert!(detail.contains("64 streams of unknown members"), "{detail}");
        }
        Reply::Welcome => panic!("it was let in"),
    }
    assert!(stream.is_closed());
    let member = cluster.member(0);
    wait::until_true("it is in the member's log", || member.log().contains("too_many_strangers"));
    // Members are not counted.
    assert_eq!(PeerStream::open(port).introduce(&rightful), Reply::Welcome);
    cluster.restart(1);
    drop(strangers);
    wait::until_true("there is a seat again", || {
        PeerStream::open(port).introduce(&late) == Reply::Welcome
    });
    check_unharmed(&cluster);
}

#[test]
fn the_peers_paths_say_what_they_are_to_others() {
    let cluster = Cluster::start(1);
    let mut http = cluster.http(0);
    let answer = http.get("/raft/append");
    assert_eq!((answer.status, answer.code().as_str()), (426, "upgrade_required"));
    assert_eq!(http.get("/raft/hello").json()["state"], "founded");
}

/// Every member serves. A write that was under way on a stream which another took the place of may
/// be of unknown outcome; the next one is not.
fn check_unharmed(cluster: &Cluster) {
    let mut ledger = Ledger::default();
    for number in cluster.numbers() {
        let mut keys = (0..).map(|count| format!("after/{number}/{count}"));
        wait::until_true("a write is done", || {
            let key = keys.next().expect("there is always another");
            let outcome = ledger.write(&mut cluster.http(number), &key, "unharmed".into());
            matches!(outcome, Outcome::Done(_))
        });
    }
    ledger.check(cluster);
}

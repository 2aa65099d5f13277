//! Bad input at the peers' door: whoever is no member of the cluster is refused by name, in its
//! answer and in the member's log, and nothing that comes over such a stream hurts.

use system_tests::cluster::Cluster;
use system_tests::http::Http;
use system_tests::ledger::{Ledger, Outcome};
use system_tests::member::Member;
use system_tests::peer::{self, Hello, PeerStream, Reply, frame};
use system_tests::ports::Ports;
use system_tests::scratch::Scratch;
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
        (Hello { feature_level: 1, ..good.clone() }, peer::FEATURE_LEVEL, "feature level 3"),
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

#[test]
fn members_with_a_port_of_their_own_keep_to_it_and_clients_to_theirs() {
    let (ports, scratch) = (Ports::in_a_row(8), Scratch::new());
    let (clients, peers) = ports.numbers().split_at(4);
    let founding: Vec<String> = peers[..3].iter().map(|port| format!("localhost:{port}")).collect();
    let member = |number: usize, way: [&str; 2]| {
        let listen = format!("127.0.0.1:{}", peers[number]);
        let settings = ["--listen-peer", &listen, way[0], way[1]];
        let name = format!("node-{}", number + 1);
        let mut member = Member::new(name, clients[number], scratch.path(), &settings);
        member.start();
        member
    };
    let founding = founding.join(",");
    let mut members: Vec<Member> =
        (0..3).map(|number| member(number, ["--peers", &founding])).collect();
    let is_ready = |port: u16| {
        let answer = Http::new(port).request("GET", "/readyz", "");
        answer.is_ok_and(|answer| answer.status == 200)
    };
    let all_ready = |ports: &[u16]| ports.iter().all(|port| is_ready(*port));
    wait::until_true("they have found each other", || all_ready(&clients[..3]));

    for (client, peer) in clients.iter().zip(&peers[..3]) {
        let put = Http::new(*client).request("PUT", "/kv/a", r#"{"value":"v"}"#).unwrap();
        assert_eq!(put.status, 200, "{put:?}");
        for path in ["/raft/hello", "/raft/append", "/raft/events", "/raft/vote"] {
            let answer = Http::new(*client).get(path);
            assert_eq!((answer.status, answer.code().as_str()), (403, "peers_only"), "{path}");
        }
        for path in ["/", "/kv/a", "/metrics", "/livez", "/snapshot", "/auth", "/v3/kv/range"] {
            let answer = Http::new(*peer).get(path);
            assert_eq!((answer.status, answer.code().as_str()), (403, "peers_only"), "{path}");
        }
        assert_eq!(Http::new(*peer).get("/raft/hello").status, 200);
    }
    // Clients are told where they may come.
    let leader = Http::new(clients[0]).get("/cluster/leader").json();
    let told = leader["leader"]["client_urls"][0].as_str().unwrap_or_default().to_owned();
    let leads = clients.iter().position(|port| told == format!("http://localhost:{port}"));
    let leads = leads.unwrap_or_else(|| panic!("{leader}"));
    members[leads].kill();
    members[leads].ended();
    let others: Vec<u16> =
        clients[..3].iter().copied().filter(|port| *port != clients[leads]).collect();
    wait::until_true("another one leads", || all_ready(&others));
    members[leads].start();
    let seed = format!("http://localhost:{}", peers[(leads + 1) % 3]);
    members.push(member(3, ["--join", &seed]));
    wait::until_true("all four vote", || {
        let voters = Http::new(others[0]).get("/cluster/members").json();
        let members = voters["members"].as_array().unwrap();
        members.iter().filter(|member| member["standing"] == "voter").count() == 4
    });
}

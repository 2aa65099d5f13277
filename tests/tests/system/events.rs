//! What happens inside a cluster, as one connection to any member tells it.

use std::collections::BTreeSet;

use serde_json::Value;
use system_tests::cluster::Cluster;
use system_tests::events::Looker;

/// The ids of the members, by their numbers.
fn ids(cluster: &Cluster) -> Vec<String> {
    let id = |number| cluster.status(number)["id"].as_str().expect("it has one").to_owned();
    cluster.numbers().map(id).collect()
}

fn is(event: &Value, kind: &str, member: &str) -> bool {
    event["kind"] == kind && event["member"] == member
}

/// What a state says of a member.
fn shown<'a>(state: &'a Value, id: &str) -> &'a Value {
    let members = state["members"].as_array().expect("a list");
    members.iter().find(|member| member["id"] == id).expect("it is a member")
}

fn is_reached(state: &Value, id: &str) -> bool {
    shown(state, id)["heard_ms"].as_u64().is_some_and(|heard_ms| heard_ms <= 1_500)
}

#[test]
fn a_follower_tells_of_all_members_and_of_an_election_among_the_others() {
    const VALUE: &str = "a-value-that-is-told-to-nobody";
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    let ids = ids(&cluster);
    let [follower, other] = cluster.others(leader)[..] else { panic!("there are three") };
    let mut looker = Looker::at(cluster.ports()[follower]);

    let hello = looker.next("who tells", |event| event["kind"] == "hello");
    assert_eq!(hello["member"], ids[follower]);
    looker.next("a state with all members in it", |event| {
        event["kind"] == "state" && ids.iter().all(|id| is_reached(event, id))
    });
    let put = format!(r#"{{"value":"{VALUE}"}}"#);
    assert_eq!(cluster.http(leader).request("PUT", "/kv/k", &put).unwrap().status, 200);
    let key = looker.next("the key", |event| event["kind"] == "key");
    assert_eq!(
        (&key["op"], &key["key"], &key["member"]),
        (&"put".into(), &"k".into(), &ids[follower].as_str().into())
    );
    let index = looker.next("all have applied it", |event| {
        event["kind"] == "state"
            && ids.iter().all(|id| shown(event, id)["revision"] == key["revision"])
    });
    let index = shown(&index, &ids[leader])["log"]["applied"].as_u64().expect("a number");
    for id in &ids {
        let of_member = |event: &Value| event["member"] == id.as_str();
        let kinds: BTreeSet<String> = looker
            .all(of_member)
            .iter()
            .map(|event| event["kind"].as_str().expect("a text").to_owned())
            .collect();
        for kind in ["message", "appended", "committed", "applied", "acknowledged"] {
            assert!(kinds.contains(kind), "{kind} of {id}: {kinds:?}");
        }
    }
    let replicated = looker.all(|event| {
        is(event, "message", &ids[leader]) && event["what"] == "append" && event["last"] == index
    });
    assert_eq!(replicated.len(), 2, "the leader sends it to both: {replicated:?}");
    let told = serde_json::to_string(&looker.all(|_| true)).unwrap();
    assert!(!told.contains(VALUE));

    looker.forget();
    cluster.kill([leader]);
    let next = cluster.leader_among(&[follower, other]);
    let voter = if next == follower { other } else { follower };
    let elected = looker.find("its election", |event| {
        is(event, "leader", &ids[next]) && event["leader"] == ids[next].as_str()
    });
    let term = &elected["term"];
    looker.find("the voter knows it", |event| {
        is(event, "leader", &ids[voter]) && event["term"] == *term
    });
    let told = looker.all(|event| event["term"] == *term && event["kind"] != "state");
    let place = |what: &str, holds: &dyn Fn(&Value) -> bool| {
        told.iter().position(holds).unwrap_or_else(|| panic!("{what} is not told: {told:?}"))
    };
    let candidate = place("its candidacy", &|event| {
        is(event, "role", &ids[next]) && event["role"] == "candidate"
    });
    let leads =
        place("its office", &|event| is(event, "role", &ids[next]) && event["role"] == "leader");
    assert!(candidate < leads, "{told:?}");
    let vote = place("the vote", &|event| {
        is(event, "vote", &ids[voter]) && event["pre"] == false && event["granted"] == true
    });
    let follows = place("whom the voter follows", &|event| is(event, "leader", &ids[voter]));
    assert!(vote < follows, "{told:?}");
    let gone = looker.next("a state without the one that was killed", |event| {
        event["kind"] == "state"
            && !is_reached(event, &ids[leader])
            && event["leader"] == ids[next].as_str()
    });
    let before = shown(&gone, &ids[leader])["heard_ms"].as_u64().expect("it was heard once");
    looker.next("its silence goes on", |event| {
        event["kind"] == "state"
            && shown(event, &ids[leader])["heard_ms"].as_u64().is_some_and(|ms| ms > before)
    });
    assert_eq!(shown(&gone, &ids[leader])["role"], "leader", "how it was");

    cluster.member(leader).start();
    looker.next("it is back", |event| {
        event["kind"] == "state"
            && is_reached(event, &ids[leader])
            && shown(event, &ids[leader])["role"] == "follower"
    });
    looker.next("it is heard again", |event| is(event, "message", &ids[leader]));
}

#[test]
fn a_page_of_one_member_may_look_at_another() {
    let cluster = Cluster::start(3);
    let [one, another, _] = cluster.ports()[..] else { panic!("there are three") };
    let ask = |origin: &str| {
        let request = format!(
            "GET /cluster/leader HTTP/1.1\r\nHost: localhost:{another}\r\nOrigin: {origin}\r\n\r\n"
        );
        cluster.http(1).send(request.as_bytes()).unwrap()
    };
    let origin = format!("http://localhost:{one}");
    let answer = ask(&origin);
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (200, Some(&origin[..]))
    );
    assert_eq!(ask("http://localhost:1").code(), "forbidden_origin");
}

//! Messages of Raft as JSON: what is no such message is refused by name. What the member makes of
//! the others: `node/by_hand_tests.rs`.

use serde_json::{Value, json};

use super::world::World;
use crate::config::Raw;
use crate::http::Limits;
use crate::node::testing;

async fn listening() -> World {
    let settings = Raw { raft_http: Some(true), ..Raw::default() };
    World::with(testing::single(), settings, Limits::default()).await
}

async fn code_of(world: &World, path: &str, body: &str) -> (u16, String) {
    let answer = world.request("POST", path, &[], body.as_bytes()).await;
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

fn vote() -> Value {
    json!({ "term": 5, "candidateId": "node-1", "lastLogIndex": 7, "lastLogTerm": 4 })
}

fn append(entries: Value) -> Value {
    let mut append = json!({ "term": 5, "leaderId": "node-1", "leaderCommit": 7 });
    append["prevLogIndex"] = 7.into();
    append["prevLogTerm"] = 4.into();
    append["entries"] = entries;
    append
}

#[tokio::test]
async fn a_member_that_was_not_told_to_takes_none() {
    let world = World::new().await;
    for (path, body) in [("/raft/vote", vote()), ("/raft/append", append(json!([])))] {
        let code = code_of(&world, path, &body.to_string()).await;
        assert_eq!(code, (409, "raft_http_off".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn what_is_no_vote_is_refused_by_name() {
    let world = listening().await;
    let with = |field: &str, value: Value| {
        let mut vote = vote();
        vote[field] = value;
        vote.to_string()
    };
    for (body, expected) in [
        (String::new(), "malformed_json"),
        ("[".repeat(5_000), "malformed_json"),
        (json!({ "term": 5 }).to_string(), "malformed_json"),
        (with("more", 1.into()), "malformed_json"),
        (with("term", (-1).into()), "malformed_json"),
        (with("term", "5".into()), "malformed_json"),
        (with("term", u64::MAX.into()), "bad_parameter"),
        (with("lastLogIndex", u64::MAX.into()), "bad_parameter"),
        (with("candidateId", "nobody".into()), "unknown_member"),
    ] {
        let code = code_of(&world, "/raft/vote", &body).await.1;
        assert_eq!(code, expected, "{body:.100}");
    }
}

#[tokio::test]
async fn what_is_no_entry_is_refused_by_name() {
    let world = listening().await;
    let put = |key: &str| json!({ "put": { "key": key, "value": "x" } });
    for (entry, expected) in [
        (json!({}), "malformed_json"),
        (json!({ "noop": false }), "malformed_json"),
        (json!({ "noop": true, "delete": { "key": "a" } }), "malformed_json"),
        (json!({ "put": { "key": "a" } }), "malformed_json"),
        (json!({ "command": "AAAA" }), "malformed_json"),
        (json!({ "noop": true, "term": u64::MAX }), "bad_parameter"),
        (put(""), "empty_key"),
        (put(&"k".repeat(70_000)), "key_too_large"),
    ] {
        let body = append(json!([entry])).to_string();
        let code = code_of(&world, "/raft/append", &body).await.1;
        assert_eq!(code, expected, "{body:.100}");
    }
}

/// A stand-in for a member that can not listen any more.
#[tokio::test]
async fn without_an_answer_the_outcome_is_unknown() {
    let world = listening().await;
    let code = code_of(&world, "/raft/vote", &vote().to_string()).await;
    assert_eq!(code, (504, "outcome_unknown".to_owned()));
}

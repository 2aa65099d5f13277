//! `raftkv top --once` as scripts have it: against a real cluster, with a member away, and where
//! there is no terminal.

use serde_json::Value;
use system_tests::cluster::Cluster;
use system_tests::program::{self, Ended};
use system_tests::scratch::Scratch;
use system_tests::wait;

/// What the command prints about this cluster, asked at all its members.
fn top(cluster: &Cluster, arguments: &[&str]) -> Ended {
    let endpoints: Vec<String> =
        cluster.ports().iter().map(|port| format!("localhost:{port}")).collect();
    let endpoints = endpoints.join(",");
    let arguments = [&["top", "--endpoints", &endpoints], arguments].concat();
    program::run(Scratch::new().path(), &arguments)
}

fn json(cluster: &Cluster) -> Value {
    let ended = top(cluster, &["--once", "-o", "json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Its members that are reached, by name.
fn reached(seen: &Value) -> Vec<&str> {
    let members = seen["members"].as_array().unwrap().iter();
    let reached = members.filter(|member| member["reached"] == true);
    reached.map(|member| member["name"].as_str().unwrap()).collect()
}

#[test]
fn one_frame_shows_the_members_and_who_leads() {
    let cluster = Cluster::start(3);
    let leader = cluster.status(cluster.leader());
    let ended = top(&cluster, &["--once"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let leads = ended.stdout.lines().find(|line| line.starts_with('♛')).unwrap();
    assert!(leads.contains(leader["name"].as_str().unwrap()), "{}", ended.stdout);
    assert!(leads.contains("leader"), "{leads}");
    assert!(ended.stdout.contains("healthy: 3 of 3 members work"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'), "{:?}", ended.stdout);
}

#[test]
fn one_frame_as_json_tells_what_was_written_and_who_is_away() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    cluster.http(leader).request("PUT", "/kv/a", r#"{"value":"1"}"#).unwrap();
    let seen = json(&cluster);
    assert_eq!((&seen["health"], reached(&seen).len()), (&Value::from("healthy"), 3));
    let leads = seen["members"].as_array().unwrap().iter();
    let leads = leads.filter(|member| member["role"] == "leader").collect::<Vec<_>>();
    assert_eq!((leads.len(), &leads[0]["keys"], &leads[0]["lag"]), (1, &1.into(), &0.into()));
    cluster.kill([leader]);
    let seen = wait::until("another one leads, and the dead one is missed", || {
        let seen = json(&cluster);
        (reached(&seen).len() == 2 && seen["health"] == "degraded").then_some(seen)
    });
    assert!(seen["words"][0].as_str().unwrap().starts_with("2 of 3 members work"), "{seen}");
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let directory = Scratch::new();
    let ended = program::run(directory.path(), &["top"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    for instead in ["raftkv top --once", "raftkv status"] {
        assert!(ended.stderr.contains(instead), "{}", ended.stderr);
    }
    let ended = program::run(directory.path(), &["top", "-o", "json"]);
    assert_eq!(ended.code, Some(2));
}

#[test]
fn where_nobody_answers_it_says_so_in_time() {
    let cluster = Cluster::prepare(1);
    let ended = top(&cluster, &["--once", "--timeout", "300ms"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("connection refused"), "{}", ended.stderr);
}

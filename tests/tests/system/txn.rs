//! `raftkv txn` on real members: both forms, both branches, and what is refused has no effect.

use std::fs;

use serde_json::{Value, json};
use system_tests::cluster::Cluster;
use system_tests::program::{self, Ended};

/// Runs a transaction that is written in a file, against one member.
fn txn(cluster: &Cluster, text: &str, arguments: &[&str]) -> Ended {
    let file = cluster.directory().join("txn");
    fs::write(&file, text).unwrap();
    let endpoint = format!("localhost:{}", cluster.ports()[0]);
    let command = ["txn", file.to_str().unwrap(), "--endpoints", &endpoint];
    program::run(cluster.directory(), &[&command[..], arguments].concat())
}

fn revision(cluster: &Cluster) -> u64 {
    cluster.http(0).get("/kv?limit=1").json()["revision"].as_u64().unwrap()
}

#[test]
fn one_branch_or_the_other_is_done_and_the_exit_code_says_which() {
    let cluster = Cluster::start(3);
    let claim = "create(owner) = 0\n\nput owner \"worker 1\"\nput log/1 claimed\n\nget owner\n";
    let first = txn(&cluster, claim, &[]);
    assert_eq!((first.code, &*first.stdout), (Some(0), "then\nOK\nOK\n"), "{first:?}");
    let second = txn(&cluster, claim, &[]);
    assert_eq!((second.code, &*second.stdout), (Some(1), "else\nowner = worker 1\n"), "{second:?}");
    assert!(second.stderr.contains("a comparison does not hold"), "{second:?}");

    let nested = r#"{"compare":[{"key":"owner","value":"worker 1"}],
        "then":[{"delete":{"prefix":"log/","prev":true}},
                {"txn":{"compare":[{"key":"none","version":1}],
                    "else":[{"put":{"key":"b","value_base64":"/w=="}}]}}]}"#;
    let done = txn(&cluster, nested, &["-o", "json"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let shown: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(shown["succeeded"], true);
    assert_eq!(shown["results"][0]["delete"]["prev"][0]["value"], "claimed");
    assert_eq!(shown["results"][1], json!({"txn":{"succeeded":false,"results":[{"put":{}}]}}));
    assert_eq!(shown["revision"], revision(&cluster));
    let found = cluster.http(0).get("/kv/b").json();
    assert_eq!(
        (&found["value_base64"], &found["mod_revision"]),
        (&json!("/w=="), &shown["revision"])
    );
}

#[test]
fn what_is_refused_has_no_effect() {
    let cluster = Cluster::start(1);
    let before = revision(&cluster);
    let puts = |count: usize| -> String {
        let puts: Vec<String> = (0..count)
            .map(|number| format!(r#"{{"put":{{"key":"k{number}","value":"v"}}}}"#))
            .collect();
        format!(r#"{{"then":[{}]}}"#, puts.join(","))
    };
    for (text, said) in [
        (puts(129), "too_many_operations"),
        ("\nput k 1\nput k 2\n".to_owned(), "duplicate_key"),
        (r#"{"then":[{"put":{"key":"k","value_base64":"%%"}}]}"#.to_owned(), "value_base64"),
        (r#"{"then":[{"put":{"key":"k","value":"v","sync":1}}]}"#.to_owned(), "unknown field"),
        ("\nput k\n".to_owned(), "line 2: a value is missing"),
        ("\nput \"\" v\n".to_owned(), "empty_key"),
    ] {
        let ended = txn(&cluster, &text, &[]);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{text}: {ended:?}");
        assert!(ended.stderr.contains(said), "{text}: {ended:?}");
    }
    assert_eq!(revision(&cluster), before);
    assert_eq!(txn(&cluster, &puts(128), &[]).code, Some(0), "128 operations are allowed");
}

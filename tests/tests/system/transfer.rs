//! `raftkv export` and `raftkv import` on real members: what comes out is what went in.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use system_tests::cluster::Cluster;
use system_tests::program::{self, Ended};

/// More than a page of a listing, and many transactions.
const LINES: usize = 1_500;

fn raftkv(cluster: &Cluster, member: usize, arguments: &[&str]) -> Ended {
    let endpoint = format!("localhost:{}", cluster.ports()[member]);
    let all = [arguments, &["--endpoints", &endpoint]].concat();
    program::run(cluster.directory(), &all)
}

fn file(cluster: &Cluster, name: &str) -> (PathBuf, String) {
    let path = cluster.directory().join(name);
    let text = path.to_str().unwrap().to_owned();
    (path, text)
}

/// Keys and values of all kinds of bytes, as they are exported: sorted by their bytes.
fn lines() -> Vec<String> {
    let line = |number: usize| match number % 3 {
        0 => format!(r#"{{"key":"a/{number:05}","value":"wärt \"{number}\"\n"}}"#),
        // 0xff, three bytes of a number in base64, and a value that is no text.
        1 => format!(r#"{{"key_base64":"/{}","value_base64":"gIE="}}"#, base64_tail(number)),
        _ => format!(r#"{{"key":"b/{number:05}","value":""}}"#),
    };
    let mut lines: Vec<String> = (0..LINES).map(line).collect();
    // Text before bytes that are none, in the order of numbers: base64 of one length and prefix is
    // not in the order of bytes, so it is compared as a set.
    lines.sort();
    lines
}

/// The rest of the base64 of 0xff and two further bytes, the numbers' own.
fn base64_tail(number: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = 0xff_0000 | number;
    let digit = |shift: usize| char::from(ALPHABET[bits >> shift & 63]);
    [digit(12), digit(6), digit(0)].iter().collect()
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn what_is_exported_is_what_was_imported() {
    let cluster = Cluster::start(3);
    let (path, input) = file(&cluster, "input.jsonl");
    fs::write(&path, lines().join("\n")).unwrap();
    let imported = raftkv(&cluster, 0, &["import", &input]);
    assert_eq!(imported.stdout, format!("imported {LINES} keys\n"), "{imported:?}");
    let revision = cluster.http(0).get("/kv?limit=1").json()["revision"].as_u64().unwrap();
    assert!(revision < 1 + LINES as u64 / 10, "many in a transaction: {revision}");

    let all = raftkv(&cluster, 1, &["export"]);
    assert_eq!((all.code, sorted(&all.stdout)), (Some(0), lines()));
    let (path, output) = file(&cluster, "output.jsonl");
    let exported = raftkv(&cluster, 2, &["export", &output, "--prefix", "a/"]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let of_prefix: Vec<String> = lines().into_iter().filter(|line| line.contains("\"a/")).collect();
    assert_eq!(sorted(&fs::read_to_string(&path).unwrap()), of_prefix);

    // What is there is left alone, and the past can be exported.
    let there = [r#"{"key":"copy/a/00000","value":"mine"}"#, r#"{"key":"new","value":"1"}"#];
    fs::write(cluster.directory().join("there"), there.join("\n")).unwrap();
    let (_, there_file) = file(&cluster, "there");
    assert_eq!(raftkv(&cluster, 0, &["import", &there_file]).code, Some(0));
    let copied = raftkv(&cluster, 0, &["import", &output, "--prefix", "copy/", "--if-absent"]);
    let count = of_prefix.len() - 1;
    assert_eq!(copied.stdout, format!("imported {count} keys, left 1 alone\n"), "{copied:?}");
    assert_eq!(cluster.http(0).get("/kv/copy/a/00000").json()["value"], "mine");
    let counted = cluster.http(0).get("/kv?prefix=copy/&count_only=true").json();
    assert_eq!(counted["count"], of_prefix.len());
    let then = raftkv(&cluster, 0, &["export", "--revision", &revision.to_string()]);
    assert_eq!(sorted(&then.stdout), lines(), "as it was before the copy");
}

#[test]
fn times_to_live_go_along_and_of_a_key_the_last_line_counts() {
    let cluster = Cluster::start(1);
    let (path, input) = file(&cluster, "input.jsonl");
    let mut lines: Vec<String> =
        (0..300).map(|number| format!(r#"{{"key":"k","value":"{number}"}}"#)).collect();
    lines.push(r#"{"key":"code","value":"4711","ttl_ms":600000}"#.to_owned());
    fs::write(&path, lines.join("\n")).unwrap();
    assert_eq!(raftkv(&cluster, 0, &["import", &input]).stdout, "imported 301 keys\n");
    let exported = raftkv(&cluster, 0, &["export"]).stdout;
    let exported: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [code, k] = &exported[..] else { panic!("{exported:?}") };
    assert_eq!((&k["value"], k.get("ttl_ms")), (&Value::from("299"), None));
    let left = code["ttl_ms"].as_u64().unwrap();
    assert!((500_000..=600_000).contains(&left), "{code}");
}

#[test]
fn a_malformed_line_is_named_and_what_was_done_before_it_is_counted() {
    let cluster = Cluster::start(1);
    let (path, input) = file(&cluster, "input.jsonl");
    let mut lines: Vec<String> =
        (0..200).map(|number| format!(r#"{{"key":"k{number}","value":"v"}}"#)).collect();
    lines.push(r#"{"key":"bad","value_base64":"%"}"#.to_owned());
    lines.push(r#"{"key":"after","value":"v"}"#.to_owned());
    fs::write(&path, lines.join("\n")).unwrap();
    let ended = raftkv(&cluster, 0, &["import", &input]);
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
    for said in ["line 201: value_base64", "imported 200 keys before that"] {
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
    let counted = cluster.http(0).get("/kv?count_only=true").json();
    assert_eq!(counted["count"], 200);
    assert!(!cluster.directory().join("missing.jsonl.partial").exists());
    let absent = raftkv(&cluster, 0, &["import", "absent.jsonl"]);
    assert_eq!(absent.code, Some(2), "{absent:?}");
}

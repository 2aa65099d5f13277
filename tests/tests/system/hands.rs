//! A real cluster that is broken by hand, through the door of `raftkv dev`: processes by signals,
//! links by silence. What the members make of it is seen as a client sees it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use system_tests::dev::{Dev, name};
use system_tests::program;
use system_tests::wait;

/// A dead process is noticed at once: with that, writes go on after so long at most.
const FAILOVER_MAX: Duration = Duration::from_secs(2);

/// A silent one is noticed by its silence, which lasts an election timeout of 1 s, less what had
/// passed since its last heartbeat.
const SILENCE_MIN: Duration = Duration::from_millis(700);

/// Members that are up and agree on a leader; answers the leader and the others.
fn started(members: u16, later: u16) -> (Dev, usize, Vec<usize>) {
    let dev = Dev::start(members, later, &[]);
    dev.wait_announced();
    let all: Vec<usize> = (1..=usize::from(members)).collect();
    let leader = dev.leader_among(&all);
    dev.write(leader, "before");
    let others = all.into_iter().filter(|number| *number != leader).collect();
    (dev, leader, others)
}

/// All members agree on a leader and show this key.
fn all_agree(dev: &Dev, members: &[usize], key: &str) {
    dev.leader_among(members);
    for number in members {
        let mut http = dev.http(*number);
        wait::until_true("the member shows the key", || {
            http.request("GET", &format!("/kv/{key}"), "").is_ok_and(|answer| answer.status == 200)
        });
    }
}

#[test]
fn a_leader_that_is_killed_is_replaced_at_once_and_comes_back() {
    let (dev, leader, others) = started(3, 0);
    let begin = Instant::now();
    let state = dev.act_on("crash", leader);
    dev.write(others[0], "after");
    let took = begin.elapsed();
    println!("hands: a write after the leader was killed: {} ms", took.as_millis());
    assert!(took < FAILOVER_MAX, "{took:?}");
    assert_eq!(state["members"][leader - 1]["running"], false);
    assert_ne!(dev.leader_among(&others), leader);
    assert!(dev.says(&format!("{}: killed by hand", name(leader))), "{}", dev.stdout());
    let refused = dev.try_to(&json!({ "do": "pause", "member": name(leader) }));
    assert_eq!((refused.status, refused.code()), (409, "not_running".into()));

    dev.act_on("restart", leader);
    all_agree(&dev, &[1, 2, 3], "after");
    let refused = dev.try_to(&json!({ "do": "restart", "member": name(leader) }));
    assert_eq!((refused.status, refused.code()), (409, "running".into()));
}

#[test]
fn a_leader_that_stands_still_is_replaced_and_follows_when_it_goes_on() {
    let (dev, leader, others) = started(3, 0);
    dev.act_on("pause", leader);
    assert_eq!(dev.member(leader)["paused"], true);
    dev.write(others[0], "meanwhile");
    assert_ne!(dev.leader_among(&others), leader);
    dev.act_on("resume", leader);
    assert_eq!(dev.member(leader)["paused"], false);
    all_agree(&dev, &[1, 2, 3], "meanwhile");
}

#[test]
fn a_leader_that_is_cut_off_is_missed_in_silence_and_all_agree_when_it_is_healed() {
    let (dev, leader, others) = started(3, 0);
    let begin = Instant::now();
    let state = dev.act_on("isolate", leader);
    assert_eq!(state["links"].as_array().unwrap().len(), 4, "{state}");
    dev.write(others[0], "meanwhile");
    let took = begin.elapsed();
    println!("hands: a write after the leader was cut off: {} ms", took.as_millis());
    assert!(took > SILENCE_MIN, "somebody was told that the link is cut: {took:?}");
    assert_ne!(dev.leader_among(&others), leader);
    let alone = dev.http(leader).get("/kv/meanwhile?timeout_ms=500");
    assert_eq!(alone.status, 503, "it knows that it may have missed something: {alone:?}");

    let healed = Instant::now();
    assert_eq!(dev.act(&json!({ "do": "heal" }))["links"], json!([]));
    all_agree(&dev, &[1, 2, 3], "meanwhile");
    println!("hands: all agree {} ms after the links were healed", healed.elapsed().as_millis());
}

#[test]
fn of_two_groups_the_larger_one_goes_on() {
    let (dev, ..) = started(5, 0);
    dev.act(&json!({ "do": "split", "groups": [["node-1", "node-2"]] }));
    dev.write(4, "majority");
    dev.leader_among(&[3, 4, 5]);
    let refused = dev.http(1).request("PUT", "/kv/minority?timeout_ms=500", r#"{"value":"v"}"#);
    assert!(refused.unwrap().status >= 500, "two of five acknowledge nothing");
    dev.act(&json!({ "do": "heal" }));
    all_agree(&dev, &[1, 2, 3, 4, 5], "majority");
}

#[test]
fn over_slow_links_a_write_takes_its_time() {
    let (dev, leader, others) = started(3, 0);
    let put = || {
        let begin = Instant::now();
        let answer = dev.http(leader).request("PUT", "/kv/slow", r#"{"value":"v"}"#).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        begin.elapsed()
    };
    for other in &others {
        dev.act(&json!({ "do": "link", "from": name(leader), "to": name(*other), "both": true,
            "delay_ms": 50 }));
    }
    let slow = put();
    assert!(slow >= Duration::from_millis(100), "50 ms there, and 50 back: {slow:?}");
    let shown = &dev.state()["links"][0];
    assert_eq!((&shown["delay_ms"], &shown["cut"]), (&json!(50), &json!(false)));
    dev.act(&json!({ "do": "heal" }));
    wait::until_true("writes are fast again", || put() < Duration::from_millis(100));
}

#[test]
fn writes_go_on_over_links_that_lose_some_of_everything() {
    let (dev, leader, others) = started(3, 0);
    for other in others {
        dev.act(&json!({ "do": "link", "from": name(leader), "to": name(other), "both": true,
            "drop_percent": 10 }));
    }
    for number in 0..10 {
        dev.write(leader, &format!("lossy/{number}"));
    }
    dev.act(&json!({ "do": "heal" }));
    all_agree(&dev, &[1, 2, 3], "lossy/9");
}

/// What a member counts for, by the first member's word.
fn standing(dev: &Dev, number: usize) -> Option<String> {
    let members = dev.http(1).get("/cluster/members").json();
    let found = members["members"].as_array()?.iter().find(|it| it["name"] == name(number))?;
    Some(found["standing"].as_str()?.to_owned())
}

#[test]
fn a_member_is_added_takes_part_in_later_runs_and_is_removed() {
    let (mut dev, ..) = started(3, 1);
    let state = dev.act(&json!({ "do": "add" }));
    assert_eq!(state["members"][3]["url"], format!("http://localhost:{}", dev.port(4)));
    wait::until_true("it votes", || standing(&dev, 4).as_deref() == Some("voter"));
    wait::until_true("its id is known", || dev.member(4)["id"].is_string());
    dev.write(4, "through-the-fourth");
    dev.interrupt();

    dev.start_again(&[]);
    dev.wait_announced();
    all_agree(&dev, &[1, 2, 3, 4], "through-the-fourth");
    let state = dev.act_on("remove", 4);
    assert_eq!(state["members"].as_array().unwrap().len(), 3);
    wait::until_true("it is no member", || standing(&dev, 4).is_none());
    assert!(system_tests::ports::is_free(dev.port(4)), "its process has ended");
    all_agree(&dev, &[1, 2, 3], "through-the-fourth");
}

#[test]
fn a_load_counts_what_became_of_its_writes() {
    let (dev, ..) = started(3, 0);
    let on = dev.act(&json!({ "do": "load", "on": true, "per_second": 200 }));
    assert_eq!((&on["load"]["on"], &on["load"]["per_second"]), (&json!(true), &json!(200)));
    let done = |dev: &Dev| dev.state()["load"]["done"].as_u64().unwrap();
    wait::until_true("writes are done", || done(&dev) >= 50);
    let off = dev.act(&json!({ "do": "load", "on": false }));
    assert_eq!((&off["load"]["on"], &off["load"]["per_second"]), (&json!(false), &json!(0)));
    let listed = dev.http(2).get("/kv?prefix=load/&limit=50").json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 50, "{listed}");
}

#[test]
fn nobody_gets_in_without_the_token_or_from_elsewhere() {
    let dev = Dev::start(1, 0, &[]);
    dev.wait_announced();
    let token = format!("Raftkv-Dev-Token: {}\r\n", dev.token());
    let json = "Content-Type: application/json\r\n";
    let heal = r#"{"do":"heal"}"#;
    let told = |line: &str, headers: &str, body: &str| {
        let answer = dev.ask(line, headers, body);
        (answer.status, answer.code())
    };
    let forbidden = |code: &str| (403, code.to_owned());
    let act = "POST /dev/do";
    assert_eq!(told("GET /dev/state", "", ""), forbidden("forbidden_token"));
    assert_eq!(told(act, json, heal), forbidden("forbidden_token"));
    let wrong = format!("Raftkv-Dev-Token: {}\r\n{json}", "0".repeat(32));
    assert_eq!(told(act, &wrong, heal), forbidden("forbidden_token"));
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(told(act, form, "do=heal"), forbidden("forbidden_token"));
    assert_eq!(told(act, &format!("{token}{form}"), "do=heal"), (415, "not_json".into()));
    let foreign = format!("{token}{json}Origin: http://evil.example\r\n");
    assert_eq!(told(act, &foreign, heal), forbidden("forbidden_origin"));
    let foreign = format!("{token}{json}Host: evil.example\r\n");
    assert_eq!(told(act, &foreign, heal), forbidden("forbidden_host"));
    let large = format!("{heal}{}", " ".repeat(17 << 10));
    assert_eq!(told(act, &format!("{token}{json}"), &large), (413, "body_too_large".into()));
    assert_eq!(dev.act(&json!({ "do": "heal" }))["links"], json!([]));
}

#[test]
fn pages_of_the_dashboard_may_speak_to_the_members_and_others_may_not() {
    let dev = Dev::start(1, 0, &[]);
    dev.wait_announced();
    let status = |origin: &str| {
        let port = dev.port(1);
        let request = format!(
            "GET /cluster/status HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {origin}\r\n\r\n"
        );
        dev.http(1).send(request.as_bytes()).unwrap()
    };
    let own = format!("http://localhost:{}", dev.dashboard_port());
    let answer = status(&own);
    assert_eq!(answer.header("access-control-allow-origin"), Some(own.as_str()), "{answer:?}");
    assert_eq!(status("http://evil.example").status, 403);
}

#[test]
fn clients_are_sent_to_the_members_themselves_and_not_over_their_links() {
    let (dev, leader, others) = started(3, 0);
    let own = format!("localhost:{}", dev.port(leader));
    let mut http = dev.http(others[0]);
    let told = http.get("/cluster/leader").json();
    assert_eq!(told["leader"]["client_urls"], json!([format!("http://{own}")]));
    assert_ne!(told["leader"]["address"], json!(own), "peers go another way");
    let port = dev.port(others[0]);
    let put = format!(
        "PUT /kv/k HTTP/1.1\r\nHost: localhost:{port}\r\nRaftkv-Forward: never\r\n\
         Content-Length: 13\r\n\r\n{{\"value\":\"v\"}}"
    );
    let misdirected = http.send(put.as_bytes()).unwrap();
    assert_eq!(misdirected.header("raftkv-leader"), Some(own.as_str()), "{misdirected:?}");
    let node = format!("localhost:{}", dev.port(1));
    let printed = |line: &[&str]| {
        let ended = program::run(dev.directory(), &[line, &["--node", &node]].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout
    };
    assert!(printed(&["leader"]).contains(&format!("http://{own} ")));
    let status = printed(&["status"]);
    for number in 1..=3 {
        assert!(status.contains(&format!("localhost:{} ", dev.port(number))), "{status}");
    }
}

#[test]
fn whoever_stands_still_ends_with_the_others_however_the_parent_ends() {
    let mut dev = Dev::start(3, 0, &[]);
    dev.wait_announced();
    dev.act_on("pause", 2);
    dev.interrupt();
    assert!(dev.has_ended(), "a member outlived its parent");

    dev.start_again(&[]);
    dev.wait_announced();
    dev.act_on("pause", 1);
    dev.act_on("pause", 3);
    dev.kill();
    dev.wait_ended();
}

#[test]
fn a_cluster_of_an_earlier_version_goes_on_without_links_to_break() {
    let mut dev = Dev::start(1, 0, &[]);
    dev.wait_announced();
    dev.interrupt();
    let data = dev.directory().join("raftkv-dev");
    fs::remove_dir_all(data.join("node-1")).unwrap();
    let earlier = json!({ "members": 1, "port": dev.port(1) });
    fs::write(data.join("dev.json"), earlier.to_string()).unwrap();

    dev.start_again(&[]);
    dev.wait_announced();
    let refused = dev.try_to(&json!({ "do": "isolate", "member": "node-1" }));
    assert_eq!((refused.status, refused.code()), (409, "no_links".into()));
    let told: Value = dev.http(1).get("/cluster/leader").json();
    assert_eq!(told["leader"]["address"], format!("localhost:{}", dev.port(1)));
}

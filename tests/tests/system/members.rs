//! Members come and go while clients write: nothing acknowledged is lost, whoever is removed ends
//! by itself, and what can not be done is refused by name.

use std::fs;

use system_tests::cluster::Cluster;
use system_tests::load::{Load, write_many};
use system_tests::program;
use system_tests::wait;

/// A member that is further behind than this many entries was away for long.
const WRITES_MANY: usize = 100_000;

/// A member that could not start.
const COULD_NOT_START: Option<i32> = Some(1);

/// The standing of a member, as the member `by` knows it.
fn standing(cluster: &Cluster, by: usize, port: u16) -> Option<String> {
    let page = cluster.http(by).request("GET", "/cluster/members", "").ok()?.json();
    let address = format!("localhost:{port}");
    let members = page["members"].as_array()?;
    let member = members.iter().find(|member| member["address"] == *address)?;
    Some(member["standing"].as_str()?.to_owned())
}

fn wait_until_it_votes(cluster: &Cluster, number: usize) {
    let port = cluster.ports()[number];
    wait::until_true("the new member votes", || {
        standing(cluster, number, port).as_deref() == Some("voter")
    });
}

/// A change that is made, whatever it takes: a new leader may not be ready for it at once.
fn change(cluster: &Cluster, by: usize, method: &str, target: &str, body: &str) {
    let mut http = cluster.http(by);
    wait::until_true("the change is made", || {
        let Ok(answer) = http.request(method, target, body) else { return false };
        assert!(answer.status < 400 || answer.status >= 500, "{}", answer.body);
        answer.status == 200
    });
}

#[test]
fn members_are_added_replaced_moved_and_removed_under_load() {
    let mut cluster = Cluster::prepare_with(3, 1, &["--snapshot-bytes", "65536"]);
    cluster.start_all();
    cluster.leader();
    let load = Load::start(&cluster);

    // Added: it joins, catches up, and votes.
    let fourth = cluster.add(1, &[]);
    cluster.member(fourth).start();
    wait_until_it_votes(&cluster, fourth);
    load.go_on();

    // Replaced: one whose disk is gone comes back as somebody new, at its old name and address.
    cluster.kill([2]);
    let (name, port) = ("node-3", cluster.ports()[2]);
    let third = cluster.add_as(name, port, 0, &["--replace", name]);
    cluster.forget(2);
    cluster.member(third).start();
    wait_until_it_votes(&cluster, third);
    load.go_on();

    // Removed: the leader itself; its process ends with a code of its own.
    let leader = cluster.leader();
    let target = format!("/cluster/members/{}", cluster.member(leader).name());
    let by = cluster.others(leader)[0];
    change(&cluster, by, "DELETE", &target, "");
    assert_eq!(cluster.member(leader).ended().code(), Some(4));
    cluster.forget(leader);
    load.go_on();

    let ledger = load.stop();
    cluster.leader();
    ledger.check(&cluster);
}

#[test]
fn what_can_not_be_done_is_refused_by_name() {
    let mut cluster = Cluster::prepare_with(3, 2, &[]);
    cluster.start_all();
    let leader = cluster.leader();
    let learner = cluster.add(0, &["--learner"]);
    cluster.member(learner).start();
    let port = cluster.ports()[learner];
    wait::until_true("the learner is there", || {
        standing(&cluster, learner, port).as_deref() == Some("learner")
    });
    let taken = format!(r#"{{"address":"localhost:{port}"}}"#);
    let refusal = |method: &str, target: &str, body: &str| {
        let target = format!("/cluster/members{target}");
        let answer = cluster.http(leader).request(method, &target, body).unwrap();
        assert!((400..500).contains(&answer.status), "{}", answer.body);
        answer.code()
    };
    assert_eq!(refusal("POST", "", &taken), "address_taken");
    assert_eq!(refusal("DELETE", "/node-9", ""), "unknown_member");
    assert_eq!(refusal("POST", "/node-1/promote", ""), "not_a_learner");
    // One that was never heard has not caught up, however short the log: nobody runs at its place.
    let silent = cluster.ports()[3] + 1;
    let place = format!(
        r#"{{"address":"localhost:{silent}","name":"silent","id":"77","incarnation":"{}"}}"#,
        "7".repeat(32)
    );
    change(&cluster, leader, "POST", "/cluster/members", &place);
    assert_eq!(refusal("POST", "/silent/promote", ""), "learner_behind");
}

#[test]
fn a_member_that_was_away_for_long_comes_back_by_a_snapshot_under_load() {
    let mut cluster = Cluster::prepare_with(3, 0, &["--snapshot-bytes", "65536"]);
    cluster.start_all();
    let leader = cluster.leader();
    let away = cluster.others(leader)[0];
    cluster.kill([away]);
    let load = Load::start(&cluster);
    wait::until_true("the log is cut", || {
        load.go_on();
        cluster.member(leader).log().matches("wrote a snapshot").count() > 3
    });
    cluster.member(away).start();
    wait::until_true("it gets a snapshot", || {
        cluster.member(away).log().contains("received a snapshot")
    });
    load.go_on();
    load.stop().check(&cluster);
}

#[test]
fn a_hundred_thousand_writes_pass_while_a_member_is_away() {
    let mut cluster = Cluster::prepare_with(3, 0, &["--snapshot-bytes", "1MiB"]);
    cluster.start_all();
    let leader = cluster.leader();
    let away = cluster.others(leader)[0];
    let last = |status: serde_json::Value| status["log"]["last_index"].as_u64().unwrap();
    let last_of_away = last(cluster.status(away));
    cluster.kill([away]);

    let mut ledger = write_many(&cluster, leader, WRITES_MANY);
    let start = cluster.status(leader)["log"]["start"].as_u64().unwrap();
    assert!(start > last_of_away, "the log is cut: it starts after {start}");

    let load = Load::start(&cluster);
    cluster.member(away).start();
    wait::until_true("it gets a snapshot", || {
        cluster.member(away).log().contains("received a snapshot")
    });
    load.go_on();
    ledger.append(load.stop());
    assert!(ledger.counts()[0] >= WRITES_MANY);
    ledger.check(&cluster);
}

#[test]
fn a_member_moves_to_another_address_under_load() {
    let mut cluster = Cluster::prepare_with(3, 1, &[]);
    cluster.start_all();
    let leader = cluster.leader();
    let moved = cluster.others(leader)[0];
    let load = Load::start(&cluster);
    cluster.stop(moved);

    let port = cluster.spare_port();
    let name = cluster.member(moved).name().to_owned();
    let endpoint = format!("http://localhost:{}", cluster.ports()[leader]);
    let address = format!("localhost:{port}");
    let line = ["member", "address", &name, &address, "--endpoints", &endpoint];
    let told = program::run(cluster.directory(), &line);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains(&format!("{name} is reached at {address}")), "{told:?}");

    cluster.member(moved).move_to(port);
    cluster.member(moved).start();
    wait::until_true("it takes part at its new address", || {
        standing(&cluster, moved, port).as_deref() == Some("voter")
            && cluster.status(moved)["leader"]["address"].is_string()
    });
    // The others find it there: without the third one, it makes the majority.
    let third = cluster.others(leader).into_iter().find(|number| *number != moved).unwrap();
    cluster.kill([third]);
    load.go_on();
    cluster.member(third).start();
    load.stop().check(&cluster);
}

#[test]
fn a_removal_that_would_lose_the_quorum_is_refused_under_load() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    let [away, healthy] = cluster.others(leader)[..] else { unreachable!("three members") };
    let [name_away, name] = [away, healthy].map(|number| cluster.member(number).name().to_owned());
    let load = Load::start(&cluster);
    cluster.kill([away]);
    // Before that the leader can not know that it is gone.
    wait::until_true("the leader misses it", || {
        let status = cluster.status(leader);
        let members = status["members"].as_array().unwrap();
        let silent = members.iter().find(|member| member["name"] == *name_away);
        silent.and_then(|member| member["silent_ms"].as_u64()).is_some_and(|ms| ms > 2_000)
    });
    let target = format!("/cluster/members/{name}");
    let refused = cluster.http(leader).request("DELETE", &target, "").unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (409, "quorum_would_be_lost"));
    let body = refused.json();
    assert_eq!((&body["healthy"], &body["needed"]), (&1.into(), &2.into()), "{body}");
    load.go_on();

    cluster.member(away).start();
    let ledger = load.stop();
    let members = cluster.http(leader).get("/cluster/members").json();
    assert_eq!(members["members"].as_array().unwrap().len(), 3, "nothing has changed");
    ledger.check(&cluster);
}

#[test]
fn a_wiped_member_is_told_to_take_its_own_place() {
    let mut cluster = Cluster::prepare_with(3, 0, &[]);
    cluster.start_all();
    let load = Load::start(&cluster);
    cluster.kill([2]);
    fs::remove_dir_all(cluster.member(2).data()).unwrap();
    let (name, port) = ("node-3", cluster.ports()[2]);
    let wiped = cluster.add_as(name, port, 0, &[]);
    let line = cluster.member(wiped).command_line();
    let ended = program::run(cluster.directory(), &line);
    assert_eq!(ended.code, COULD_NOT_START, "{ended:?}");
    for words in ["can not join the cluster", "address_taken", "add --replace and its name"] {
        assert!(ended.stderr.contains(words), "it says {words:?}: {}", ended.stderr);
    }

    // What it says to do helps.
    let new = cluster.add_as(name, port, 0, &["--replace", name]);
    cluster.forget(2);
    cluster.forget(wiped);
    cluster.member(new).start();
    wait_until_it_votes(&cluster, new);
    load.go_on();
    load.stop().check(&cluster);
}

#[test]
fn a_member_that_is_killed_while_it_joins_goes_on_when_it_is_started_again() {
    let mut cluster = Cluster::prepare_with(3, 1, &["--snapshot-bytes", "65536"]);
    cluster.start_all();
    cluster.leader();
    let load = Load::start(&cluster);
    let fourth = cluster.add(0, &[]);
    let port = cluster.ports()[fourth];
    // Each time a little further, and by the same command line.
    let adding = |cluster: &mut Cluster| cluster.member(fourth).log().contains("added to");
    let known = |cluster: &mut Cluster| standing(cluster, 0, port).is_some();
    let stages: [&dyn Fn(&mut Cluster) -> bool; 2] = [&adding, &known];
    for stage in stages {
        cluster.member(fourth).start();
        wait::until_true("it is joining", || stage(&mut cluster));
        cluster.kill([fourth]);
    }
    cluster.member(fourth).start();
    wait_until_it_votes(&cluster, fourth);
    load.go_on();
    let ledger = load.stop();
    let members = cluster.http(0).get("/cluster/members").json();
    assert_eq!(members["members"].as_array().unwrap().len(), 4, "it has joined once: {members}");
    ledger.check(&cluster);
}

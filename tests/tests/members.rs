//! Members come and go while clients write: nothing acknowledged is lost, whoever is removed ends
//! by itself, and what can not be done is refused by name.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use system_tests::cluster::Cluster;
use system_tests::load::Load;
use system_tests::wait;

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

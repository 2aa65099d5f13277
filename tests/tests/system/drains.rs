//! Rolling restarts on real members: `raftkv member drain` lets one go at a time, whoever asks for
//! how many, and writes go on.

use std::process::{Child, Stdio};

use serde_json::Value;
use system_tests::cluster::Cluster;
use system_tests::load::Load;
use system_tests::program::{self, Ended};
use system_tests::wait;

const DONE: Option<i32> = Some(0);

/// The exit code of what is refused for the state that the cluster is in.
const REFUSED: Option<i32> = Some(1);

/// Started, and not waited for; it asks one member.
fn begun(cluster: &Cluster, by: usize, line: &str) -> Child {
    let endpoint = format!("localhost:{}", cluster.ports()[by]);
    let words: Vec<&str> = line.split(' ').chain(["--endpoints", &endpoint]).collect();
    let mut command = program::command(cluster.directory(), &words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(process: Child) -> Ended {
    let output = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn raftkv(cluster: &Cluster, by: usize, line: &str) -> Ended {
    ended(begun(cluster, by, line))
}

fn name(number: usize) -> String {
    format!("node-{}", number + 1)
}

/// Drained as a deploy does it; safe to be stopped after this.
fn drain(cluster: &Cluster, by: usize, member: usize) {
    let drained = raftkv(cluster, by, &format!("member drain {} --wait", name(member)));
    assert_eq!(drained.code, DONE, "{drained:?}");
    assert!(drained.stdout.contains("may be stopped; writes go on"), "{drained:?}");
}

/// Refused at once, by this code.
fn check_refused(refused: &Ended, codes: &[&str]) {
    assert_eq!(refused.code, REFUSED, "{refused:?}");
    assert!(codes.iter().any(|code| refused.stderr.contains(code)), "{codes:?}: {refused:?}");
}

/// Who is marked, as the member `by` knows it.
fn marked(cluster: &Cluster, by: usize) -> Vec<Value> {
    let page = cluster.http(by).get("/cluster/members").json();
    let members = page["members"].as_array().unwrap().iter();
    members.filter(|member| member["draining"] == true).map(|m| m["name"].clone()).collect()
}

#[test]
fn of_two_rolling_restarts_at_once_one_waits_for_the_other_and_writes_go_on() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster);

    // One has its first member; the other is refused whom it asks for, through whichever member.
    drain(&cluster, 1, 0);
    let second = |by: usize| raftkv(&cluster, by, "member drain node-2");
    for by in 0..3 {
        check_refused(&second(by), &["member_draining"]);
    }
    cluster.stop(0);
    load.go_on();
    for by in [1, 2] {
        let refused = raftkv(&cluster, by, "member drain node-2");
        check_refused(&refused, &["member_draining", "member_down"]);
    }
    load.go_on();

    // It waits, and has its turn when the first member is back.
    let waiting = begun(&cluster, 2, "member drain node-2 --wait");
    cluster.member(0).start();
    let waited = ended(waiting);
    assert_eq!(waited.code, DONE, "{waited:?}");
    assert_eq!(marked(&cluster, 2), ["node-2"]);
    assert_ne!(cluster.leader(), 1, "it leads no more");
    load.go_on();
    cluster.stop(1);
    load.go_on();
    cluster.member(1).start();
    drain(&cluster, 0, 2);
    cluster.stop(2);
    load.go_on();
    cluster.member(2).start();
    wait::until_true("the last mark goes", || marked(&cluster, 0).is_empty());
    load.stop().check(&cluster);
}

#[test]
fn while_a_member_is_down_no_rolling_restart_begins_and_writes_go_on() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster);
    let leader = cluster.leader();
    let [down, other] = cluster.others(leader)[..] else { panic!("three members") };
    cluster.kill([down]);
    wait::until_true("the leader misses it", || {
        let refused = raftkv(&cluster, other, &format!("member drain {}", name(other)));
        refused.code == REFUSED && refused.stderr.contains("member_down")
    });
    // Two deploys at once, each through a member of its own; one wants the leader.
    let deploys = [leader, other]
        .map(|member| begun(&cluster, member, &format!("member drain {}", name(member))));
    for deploy in deploys {
        check_refused(&ended(deploy), &["member_down"]);
    }
    assert!(marked(&cluster, leader).is_empty());
    assert_eq!(cluster.leader(), leader, "nor has it handed over");
    load.go_on();
    cluster.member(down).start();
    drain(&cluster, other, leader);
    assert_ne!(cluster.leader(), leader);
    let undone = raftkv(&cluster, down, &format!("member drain {} --undo", name(leader)));
    assert_eq!(undone.code, DONE, "{undone:?}");
    assert!(marked(&cluster, other).is_empty());
    load.stop().check(&cluster);
}

#[test]
fn of_two_members_that_are_drained_in_one_moment_one_is() {
    let cluster = Cluster::start(3);
    drain(&cluster, 0, 0);
    assert_eq!(raftkv(&cluster, 0, "member drain node-1 --undo").code, DONE);
    let mut rounds = 0;
    while rounds < 10 {
        let both =
            [1, 2].map(|member| begun(&cluster, member, &format!("member drain {}", name(member))));
        let both = both.map(ended);
        let done = both.iter().filter(|ended| ended.code == DONE).count();
        assert!(done <= 1, "{both:?}");
        let marked = marked(&cluster, cluster.leader());
        assert!(marked.len() <= 1 && marked.len() >= done, "{marked:?}: {both:?}");
        // A leader that is new has not heard of everybody, and lets nobody go.
        let Some(one) = marked.first() else { continue };
        rounds += 1;
        let undo = format!("member drain {} --undo", one.as_str().unwrap());
        assert_eq!(raftkv(&cluster, 0, &undo).code, DONE);
    }
}

#[test]
fn a_new_cluster_begins_at_the_level_that_its_members_know() {
    let cluster = Cluster::start(3);
    let level = raftkv(&cluster, 0, "member level");
    assert_eq!((level.code, &level.stdout[..]), (DONE, "3\n"));
    wait::until_true("the leader knows what all members know", || {
        let status = cluster.status(0);
        let members = status["members"].as_array().unwrap();
        members.iter().all(|member| member["feature_level"] == 3)
    });
    assert_eq!(raftkv(&cluster, 1, "member level --raise").code, DONE, "it is as high already");
}

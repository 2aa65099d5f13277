use super::*;
use crate::dev::testing::args;

fn words(arguments: &[OsString]) -> String {
    arguments.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn plan(args: &DevArgs) -> Plan {
    Plan::new(args, None, |_| true).unwrap()
}

fn line_of(plan: &Plan, position: usize) -> String {
    words(&plan.arguments(&plan.members().nth(position).unwrap()))
}

#[test]
fn how_much_of_the_past_is_kept_is_handed_on() {
    let args = DevArgs { history_age: Some(90_000), history_bytes: Some(1 << 20), ..args() };
    let first = line_of(&plan(&args), 0);
    assert!(first.contains("--history-age 90000ms --history-bytes 1048576"), "{first}");
}

#[test]
fn three_members_unless_told_otherwise_whose_peers_go_through_their_links() {
    let mut plan = plan(&args());
    plan.allow(vec!["http://localhost:8101".to_owned()]);
    assert_eq!(
        line_of(&plan, 1),
        "start --node-id node-2 --port 8002 --advertise localhost:18002 \
         --advertise-client http://localhost:8002 --peers localhost:18001,localhost:18003 \
         --data-dir raftkv-dev/node-2 --config raftkv-dev/raftkv.toml \
         --wal-segment-bytes 4194304 --allow-origin http://localhost:8101 --raft-http \
         --stop-with-stdin"
    );
    assert_eq!(plan.member_count(), 3);
    let by_hand = plan.command_line("node-2");
    assert!(by_hand.ends_with("--allow-origin http://localhost:8101 --raft-http"), "{by_hand}");
}

#[test]
fn a_cluster_of_one_has_no_peers_and_slow_stretches_all_timers() {
    let args = DevArgs { members: Some(1), slow: 10, ..args() };
    let line = line_of(&plan(&args), 0);
    assert!(!line.contains("--peers"), "{line}");
    assert!(line.contains("--heartbeat-ms 1000 --election-timeout-ms 10000"), "{line}");
}

#[test]
fn a_run_goes_on_from_the_one_before() {
    let earlier = Saved::in_a_row(5, 9_001);
    let plan = Plan::new(&args(), Some(earlier.clone()), |_| true).unwrap();
    assert_eq!(*plan.saved(), earlier);
    let line = line_of(&plan, 0);
    assert!(!line.contains("--advertise"), "its links can not be broken: {line}");
    assert!(line.contains("--peers localhost:9002,"), "{line}");
    let same = DevArgs { members: Some(5), port: Some(9_001), ..args() };
    assert_eq!(*Plan::new(&same, Some(earlier.clone()), |_| true).unwrap().saved(), earlier);
}

#[test]
fn another_shape_needs_a_fresh_start() {
    for args in [DevArgs { members: Some(5), ..args() }, DevArgs { port: Some(1), ..args() }] {
        let error = Plan::new(&args, Some(Saved::in_a_row(3, 8_001)), |_| true).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("holds a cluster of 3 from port 8001"), "{error}");
    }
}

#[test]
fn ports_end_somewhere() {
    let args = DevArgs { port: Some(65_534), ..args() };
    assert!(Plan::new(&args, None, |_| true).is_err());
    assert!(Plan::new(&DevArgs { members: Some(2), ..args }, None, |_| true).is_ok());
}

#[test]
fn ports_for_peers_are_free_and_no_other_members() {
    let plan = Plan::new(&args(), None, |port| port != 18_001).unwrap();
    let mut ports = plan.ports();
    ports.sort_unstable();
    assert_eq!(ports, [8_001, 8_002, 8_003, 18_002, 18_003, 18_004]);
}

#[test]
fn a_member_that_is_added_joins_the_others_and_has_a_number_of_its_own() {
    let mut plan = plan(&args());
    let added = plan.add(|port| port != 8_004).unwrap();
    assert_eq!((added.name.as_str(), added.port), ("node-4", 8_005));
    let line = words(&plan.arguments(&added));
    assert!(line.contains("--join localhost:18001,localhost:18002,localhost:18003 "), "{line}");
    assert!(line.contains("--advertise localhost:18005 "), "{line}");
    plan.remove(added.number);
    assert_eq!(plan.member_count(), 3);
    assert_eq!(plan.add(|_| true).unwrap().name, "node-5", "what node-4 left is not its");
    let again = Plan::new(&args(), Some(plan.saved().clone()), |_| true).unwrap();
    assert_eq!(again.members().map(|member| member.number).collect::<Vec<_>>(), [1, 2, 3, 5]);
}

#[test]
fn a_cluster_is_not_endless() {
    let mut plan = plan(&DevArgs { members: Some(30), ..args() });
    assert_eq!(plan.add(|_| false).unwrap_err(), NoMore::Ports);
    plan.add(|_| true).unwrap();
    assert_eq!(plan.add(|_| true).unwrap_err(), NoMore::Members);
}

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::events::event::Role;
use crate::events::member_state::LogState;
use crate::events::rates::Rates;
use crate::node::testing;

const LEADER: MemberId = MemberId(7);
const OTHER: MemberId = MemberId(8);

fn state(role: Role, term: u64, leader: Option<MemberId>) -> MemberState {
    MemberState {
        role,
        term,
        vote: None,
        leader: leader.map(Id),
        log: LogState { start: 0, applied: 1, commit: 1, durable: 1, last_index: 1, last_term: 1 },
        runs: vec![(1, 1)],
        election: None,
        revision: 1,
        compact_revision: 0,
        keys: 1,
        rates: Rates::default(),
        pending: 0,
        alarms: Vec::new(),
    }
}

fn heard(state: MemberState, ago: Duration, connected: bool) -> Standing {
    let heard_at = Instant::now().checked_sub(ago).expect("the machine is up for longer");
    Standing { state, matched: vec![(Id(LEADER), 9), (Id(OTHER), 5)], heard_at, connected }
}

/// What the member of the tests shows of itself and two others.
fn shown(own: Option<MemberState>, others: &[(MemberId, Standing)]) -> Value {
    let node = testing::showing(|status| {
        let known = status.configuration.take().expect("it has one");
        let mut members: BTreeMap<MemberId, Member> = known.members.clone();
        let mut with_url = Member::voter(2, "node-2".to_owned(), "localhost:8002".to_owned());
        with_url.client_urls = vec!["https://kv.example".to_owned()];
        members.insert(LEADER, with_url);
        let third = Member::voter(3, "node-3".to_owned(), "localhost:8003".to_owned());
        members.insert(OTHER, third);
        status.configuration = Some(Arc::new(Configuration::founding(2, members)));
    });
    let heard = |id| others.iter().find(|(of, _)| *of == id).map(|(_, told)| told.clone());
    let known = Known { own, matched: Vec::new(), heard };
    serde_json::to_value(ClusterState::of(5, &node.status(), &known)).expect("it is shown")
}

fn member(shown: &Value, id: &str) -> Value {
    let members = shown["members"].as_array().expect("a list");
    members.iter().find(|member| member["id"] == id).cloned().expect("it is a member")
}

#[test]
fn every_member_is_shown_with_what_is_known_of_it() {
    let follower = state(Role::Follower, 3, Some(LEADER));
    let leader = heard(state(Role::Leader, 3, Some(LEADER)), Duration::ZERO, true);
    let shown = shown(Some(follower), &[(LEADER, leader)]);
    assert_eq!(
        (&shown["kind"], &shown["term"], &shown["leader"], &shown["joint"]),
        (&json!("state"), &json!(3), &json!("7"), &json!(false))
    );
    let own = member(&shown, "5157");
    assert_eq!((&own["heard_ms"], &own["role"]), (&json!(0), &json!("follower")));
    assert_eq!(own["url"], "http://localhost:8001");
    assert_eq!(own["log"]["durable"], 1);
    let leader = member(&shown, "7");
    assert_eq!((&leader["url"], &leader["matched"]), (&json!("https://kv.example"), &json!(9)));
    let never = member(&shown, "8");
    assert_eq!((&never["heard_ms"], &never["matched"]), (&Value::Null, &json!(5)));
    assert_eq!((&never["name"], never.get("role")), (&json!("node-3"), None));
}

#[test]
fn a_leader_that_is_not_reached_leads_nobody() {
    let alone = state(Role::Follower, 3, None);
    let was = |ago, connected| heard(state(Role::Leader, 3, Some(LEADER)), ago, connected);
    for (leader, leads) in [
        (was(Duration::ZERO, true), true),
        (was(Duration::ZERO, false), false),
        (was(REACHED_MAX + Duration::from_millis(100), true), false),
    ] {
        let shown = shown(Some(alone.clone()), &[(LEADER, leader)]);
        assert_eq!(shown["leader"] == "7", leads, "{shown}");
        assert_eq!(member(&shown, "7")["role"], "leader", "how it was");
    }
}

#[test]
fn the_leader_of_an_older_term_is_none() {
    let own = state(Role::Candidate, 4, None);
    let leader = heard(state(Role::Leader, 3, Some(LEADER)), Duration::ZERO, true);
    let shown = shown(Some(own), &[(LEADER, leader)]);
    assert_eq!((&shown["term"], &shown["leader"]), (&json!(4), &Value::Null));
}

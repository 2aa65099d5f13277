//! What is wrong with the cluster, in the words of `raftkv status`, out of the state that is told.

use std::collections::BTreeMap;

use client::{ClusterState, LogPointers, LogState, MemberState, Part, Revision, Status};
use serde_json::json;

use crate::diagnosis::{Diagnosis, Seen, diagnose};

pub(super) fn diagnosis(state: &ClusterState) -> Diagnosis {
    let seen: Vec<Seen> = state.members.iter().map(seen).collect();
    diagnose(&seen)
}

fn seen(member: &MemberState) -> Seen {
    let address = member.url.strip_prefix("http://").unwrap_or(&member.url).to_owned();
    let status = match (member.is_reached(), member.heard_ms) {
        (true, _) => Ok(status(member, &address)),
        (false, Some(heard_ms)) => Err(format!("not heard of for {}", age(heard_ms))),
        (false, None) => Err("not heard of yet".to_owned()),
    };
    Seen { name: member.name.clone(), address, standing: member.standing.clone(), status }
}

fn status(member: &MemberState, address: &str) -> Status {
    let alarms = member.alarms.iter();
    let alarms: Vec<_> =
        alarms.map(|code| json!({ "alarm": code, "message": alarm(code) })).collect();
    Status {
        id: member.id.clone(),
        name: member.name.clone(),
        address: address.to_owned(),
        client_urls: Vec::new(),
        // What the state does not tell is alike everywhere, and so no reason for a sentence.
        version: String::new(),
        phase: "running".to_owned(),
        part: part(member),
        members: Vec::new(),
        health: "it says nothing of its part".to_owned(),
        more: BTreeMap::from([("alarms".to_owned(), json!(alarms))]),
    }
}

fn part(member: &MemberState) -> Option<Part> {
    let LogState { start, applied, commit, durable, last_index, last_term } = member.log?;
    Some(Part {
        role: member.role.clone()?,
        term: member.term?,
        log: LogPointers { start, applied, commit, durable, last_index, last_term },
        revision: Revision(member.revision.unwrap_or_default()),
        state_hash: String::new(),
        keys: member.keys.unwrap_or_default(),
    })
}

/// The state has codes alone; `raftkv status` has each in full.
fn alarm(code: &str) -> String {
    match code {
        "corrupt" => "members hold different data: writes are refused".to_owned(),
        code => format!("alarm {code}: `raftkv status` says more"),
    }
}

/// How long, as people say it.
pub(super) fn age(ms: u64) -> String {
    match ms / 1_000 {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Health;
    use crate::top::tests::{away, cluster, member};

    fn words(state: &ClusterState) -> (Health, String) {
        let diagnosis = diagnosis(state);
        (diagnosis.health, diagnosis.sentences.join("\n"))
    }

    #[test]
    fn a_healthy_cluster_is_told_as_status_tells_it() {
        assert_eq!(
            words(&cluster()),
            (
                Health::Healthy,
                "3 of 3 members work, node-1 leads in term 7; one failure would be survived"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_member_that_is_not_heard_of_is_told_with_since_when() {
        let state = ClusterState { members: vec![member(1), member(2), away(3)], ..cluster() };
        let (health, words) = words(&state);
        assert_eq!(health, Health::Degraded);
        assert!(words.ends_with("node-3 (localhost:8003) does not answer: not heard of for 12 s"));
    }

    #[test]
    fn alarms_are_told() {
        let alarmed = MemberState { alarms: vec!["no_space".to_owned()], ..member(2) };
        let state = ClusterState { members: vec![member(1), alarmed, member(3)], ..cluster() };
        assert!(words(&state).1.contains("node-2: alarm no_space"));
    }

    #[test]
    fn ages() {
        let ages = [1_600, 119_999, 120_000, 7_300_000].map(age);
        assert_eq!(ages, ["1 s", "119 s", "2 min", "2 h"]);
    }
}

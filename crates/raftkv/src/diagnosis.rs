//! What is wrong with a cluster, in words: a pure function of what its members say.
//!
//! It is the view of one observer. A member that this machine can not reach may be well and in
//! touch with the others, so every sentence says what was seen.

use std::collections::BTreeMap;

use client::{Part, Status};
use serde_json::Value;

/// A follower that lacks more entries than this is called behind.
const LAG_ENTRIES_MAX: u64 = 1_000;

/// The standing of a member that counts for everything.
pub(crate) const VOTER: &str = "voter";

/// The standing of one that counts for nothing.
const LEARNER: &str = "learner";

/// A member, and what it says of itself or why it does not.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) standing: String,
    pub(crate) status: Result<Status, String>,
}

/// How well the cluster does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Health {
    /// Everything is as it should be.
    Healthy,
    /// It serves, but something needs attention.
    Degraded,
    /// It does not serve writes and linearizable reads, as far as one can see from here.
    Down,
}

/// The verdict and its reasons, the gravest first. Never without a sentence.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    pub(crate) health: Health,
    pub(crate) sentences: Vec<String>,
}

pub(crate) fn diagnose(members: &[Seen]) -> Diagnosis {
    let answering: Vec<&Status> =
        members.iter().filter_map(|member| member.status.as_ref().ok()).collect();
    let parts: Vec<Named<'_>> = answering
        .iter()
        .filter_map(|status| Some(Named { name: &status.name, part: status.part.as_ref()? }))
        .collect();
    let leader = leader(&parts);
    let alarms = alarms(&answering);
    let (serves, headline) = headline(&count(members), leader);
    let mut sentences = vec![headline];
    let takes_writes = alarms.corrupt.is_none();
    sentences.extend(alarms.corrupt);
    sentences.extend(alarms.of_members);
    sentences.extend(members.iter().filter_map(why_silent));
    sentences.extend(divergence(&parts));
    sentences.extend(change_under_way(members));
    sentences.extend(answering.iter().flat_map(|status| snapshots_under_way(status)));
    sentences.extend(leader.into_iter().flat_map(|leader| behind(leader, &parts)));
    sentences.extend(answering.iter().filter_map(|status| unsafe_disk(status)));
    sentences.extend(mixed_versions(&answering));
    sentences.extend(leading(&answering).into_iter().flat_map(draining));
    sentences.extend(leading(&answering).and_then(level_to_raise));
    let health = match (serves && takes_writes, sentences.len()) {
        (false, _) => Health::Down,
        (true, 1) => Health::Healthy,
        (true, _) => Health::Degraded,
    };
    Diagnosis { health, sentences }
}

/// A member that takes part.
#[derive(Clone, Copy)]
struct Named<'a> {
    name: &'a str,
    part: &'a Part,
}

/// The leader of the newest term in which somebody answers as leader.
fn leader<'a>(parts: &[Named<'a>]) -> Option<Named<'a>> {
    let leaders = parts.iter().filter(|member| member.part.role == "leader");
    leaders.max_by_key(|member| member.part.term).copied()
}

/// Whether the cluster serves, and the sentence that says so.
fn headline(count: &Count, leader: Option<Named<'_>>) -> (bool, String) {
    let Count { voters, working, learners } = *count;
    let majority = voters / 2 + 1;
    let called = if learners == 0 { "members" } else { "voters" };
    let counted = format!("{working} of {voters} {called} work");
    let Some(leader) = leader.filter(|_| working >= majority) else {
        let reason = match majority.checked_sub(working) {
            None | Some(0) => "nobody leads: an election is on its way, or they can not reach \
                               each other"
                .to_owned(),
            Some(lacking) => {
                format!("reads and writes wait until {lacking} more can be reached")
            }
        };
        return (false, format!("{counted}; {reason}"));
    };
    let spare = match working - majority {
        0 => "the next failure stops reads and writes".to_owned(),
        1 => "one failure would be survived".to_owned(),
        spare => format!("{spare} failures would be survived"),
    };
    (true, format!("{counted}, {} leads in term {}; {spare}", leader.name, leader.part.term))
}

/// Those that count for a majority; while members change, all that count for either.
struct Count {
    voters: usize,
    /// How many of them take part, as far as one can see.
    working: usize,
    learners: usize,
}

fn count(members: &[Seen]) -> Count {
    let voters: Vec<&Seen> = members.iter().filter(|member| member.standing != LEARNER).collect();
    let works = |member: &Seen| member.status.as_ref().is_ok_and(|status| status.part.is_some());
    let working = voters.iter().filter(|member| works(member)).count();
    Count { voters: voters.len(), working, learners: members.len() - voters.len() }
}

/// What the members themselves say is wrong.
#[derive(Default)]
struct Alarms {
    /// The cluster takes no writes; said once, whoever says it.
    corrupt: Option<String>,
    of_members: Vec<String>,
}

fn alarms(answering: &[&Status]) -> Alarms {
    let mut alarms = Alarms::default();
    for status in answering {
        let raised = status.more.get("alarms").and_then(Value::as_array);
        for alarm in raised.into_iter().flatten() {
            let message = alarm["message"].as_str().unwrap_or_default();
            match alarm["alarm"].as_str() {
                Some("corrupt") => alarms.corrupt = Some(message.to_owned()),
                _ => alarms.of_members.push(format!("{}: {message}", status.name)),
            }
        }
    }
    alarms
}

fn change_under_way(members: &[Seen]) -> Option<String> {
    let changing =
        members.iter().filter(|member| ["joining", "leaving"].contains(&&*member.standing));
    let changing: Vec<String> =
        changing.map(|member| format!("{} is {}", member.name, member.standing)).collect();
    (!changing.is_empty()).then(|| format!("the members are changing: {}", changing.join(", ")))
}

/// What the leader says of the snapshots that it sends.
fn snapshots_under_way(status: &Status) -> impl Iterator<Item = String> + use<'_> {
    let leads = status.part.as_ref().is_some_and(|part| part.role == "leader");
    status.members.iter().filter(move |_| leads).filter_map(|member| {
        let sent = member.more.get("snapshot_sent")?;
        let (bytes, total) = (sent["bytes"].as_u64()?, sent["bytes_total"].as_u64()?);
        Some(format!("{} is being sent a snapshot: {bytes} of {total} bytes", member.name))
    })
}

fn why_silent(member: &Seen) -> Option<String> {
    let Seen { name, address, status, .. } = member;
    match status {
        Err(reason) => Some(format!("{name} ({address}) does not answer: {reason}")),
        Ok(status) if status.part.is_none() => {
            Some(format!("{name} ({address}): {}", status.health))
        }
        Ok(_) => None,
    }
}

/// Members that applied the same entries and do not hold the same state.
fn divergence(parts: &[Named<'_>]) -> Option<String> {
    let mut first_at: BTreeMap<u64, Named<'_>> = BTreeMap::new();
    parts.iter().find_map(|member| {
        let index = member.part.log.applied;
        let first = *first_at.entry(index).or_insert(*member);
        (first.part.state_hash != member.part.state_hash).then(|| {
            format!(
                "{} and {} hold different data at index {index}: stop writing, and keep both data \
                 directories",
                first.name, member.name
            )
        })
    })
}

fn behind<'a>(leader: Named<'_>, parts: &'a [Named<'_>]) -> impl Iterator<Item = String> + use<'a> {
    let commit = leader.part.log.commit;
    parts.iter().filter_map(move |member| {
        let lag = commit.saturating_sub(member.part.log.applied);
        (lag > LAG_ENTRIES_MAX).then(|| format!("{} is {lag} entries behind", member.name))
    })
}

fn unsafe_disk(status: &Status) -> Option<String> {
    let is_unsafe = status.more.get("unsafe_no_fsync") == Some(&Value::Bool(true));
    is_unsafe.then(|| {
        format!(
            "{} runs with --unsafe-no-fsync: a power cut loses acknowledged writes",
            status.name
        )
    })
}

/// What the leader says.
fn leading<'a>(answering: &[&'a Status]) -> Option<&'a Status> {
    let parts = answering.iter().filter_map(|status| Some((*status, status.part.as_ref()?)));
    let leaders = parts.filter(|(_, part)| part.role == "leader");
    leaders.max_by_key(|(_, part)| part.term).map(|(status, _)| status)
}

fn draining(leader: &Status) -> impl Iterator<Item = String> {
    let marked = leader.members.iter();
    let marked = marked.filter(|member| member.more.get("draining") == Some(&Value::Bool(true)));
    marked.map(|member| format!("{} is being restarted: no other may be meanwhile", member.name))
}

/// All members know more than the cluster uses, and somebody is to decide whether they may go back.
fn level_to_raise(leader: &Status) -> Option<String> {
    let level_of = |more: &BTreeMap<String, Value>| more.get("feature_level")?.as_u64();
    let level = level_of(&leader.more)?;
    let known = leader.members.iter().map(|member| level_of(&member.more));
    let lowest = known.collect::<Option<Vec<u64>>>()?.into_iter().min()?;
    (lowest > level).then(|| {
        format!(
            "the cluster has feature level {level}, and all members know {lowest}: once none is to \
             go back to the version before, `raftkv member level --raise`"
        )
    })
}

fn mixed_versions(answering: &[&Status]) -> Option<String> {
    let versions: BTreeMap<&str, &str> =
        answering.iter().map(|status| (status.version.as_str(), status.name.as_str())).collect();
    (versions.len() > 1).then(|| {
        let parts: Vec<_> =
            versions.iter().map(|(version, name)| format!("{version} (as {name})")).collect();
        format!("the members run different versions: {}", parts.join(", "))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use client::{LogPointers, Revision};

    use super::*;

    /// A member that is well; number 1 leads.
    pub(crate) fn well(number: u64) -> Seen {
        let (name, address) = (format!("node-{number}"), format!("localhost:{}", 8000 + number));
        let role = if number == 1 { "leader" } else { "follower" };
        let log = LogPointers {
            start: 0,
            last_index: 40,
            last_term: 4,
            durable: 40,
            commit: 40,
            applied: 40,
        };
        let status = Status {
            id: format!("{number:x}"),
            name: name.clone(),
            address: address.clone(),
            client_urls: Vec::new(),
            version: "0.1.0".to_owned(),
            phase: "running".to_owned(),
            part: Some(Part {
                role: role.to_owned(),
                term: 4,
                log,
                revision: Revision(30),
                state_hash: "00c0ffee".to_owned(),
                keys: 12,
            }),
            members: Vec::new(),
            health: String::new(),
            more: BTreeMap::new(),
        };
        Seen { name, address, standing: VOTER.to_owned(), status: Ok(status) }
    }

    pub(crate) fn away(number: u64) -> Seen {
        Seen { status: Err("connection refused".to_owned()), ..well(number) }
    }

    fn changed(number: u64, change: impl FnOnce(&mut Part)) -> Seen {
        let mut seen = well(number);
        change(seen.status.as_mut().unwrap().part.as_mut().unwrap());
        seen
    }

    fn words(members: &[Seen]) -> (Health, String) {
        let diagnosis = diagnose(members);
        (diagnosis.health, diagnosis.sentences.join("\n"))
    }

    #[test]
    fn a_healthy_cluster_says_what_it_would_survive() {
        let told = |count| words(&(1..=count).map(well).collect::<Vec<_>>());
        let (health, three) = told(3);
        assert_eq!(health, Health::Healthy);
        assert_eq!(
            three,
            "3 of 3 members work, node-1 leads in term 4; one failure would be survived"
        );
        assert!(told(1).1.ends_with("; the next failure stops reads and writes"));
        assert!(told(5).1.ends_with("; 2 failures would be survived"));
    }

    #[test]
    fn one_member_away() {
        let (health, words) = words(&[well(1), well(2), away(3)]);
        assert_eq!(health, Health::Degraded);
        assert_eq!(
            words,
            "2 of 3 members work, node-1 leads in term 4; the next failure stops reads and writes\n\
             node-3 (localhost:8003) does not answer: connection refused"
        );
    }

    #[test]
    fn no_majority() {
        let (health, words) = words(&[well(1), away(2), away(3)]);
        assert_eq!(health, Health::Down);
        assert!(
            words.starts_with("1 of 3 members work; reads and writes wait until 1 more can be"),
            "an old leader alone does not lead: {words}"
        );
    }

    #[test]
    fn a_member_that_waits_for_its_cluster_says_so() {
        let mut waiting = well(1);
        let status = waiting.status.as_mut().unwrap();
        status.part = None;
        "waiting: for localhost:8002".clone_into(&mut status.health);
        let (health, words) = words(&[waiting]);
        assert_eq!(health, Health::Down);
        assert!(words.contains("node-1 (localhost:8001): waiting: for localhost:8002"), "{words}");
    }

    #[test]
    fn nobody_leads() {
        let candidate = |part: &mut Part| "candidate".clone_into(&mut part.role);
        let (health, words) = words(&[changed(1, candidate), well(2), well(3)]);
        assert_eq!(health, Health::Down);
        assert!(words.starts_with("3 of 3 members work; nobody leads"), "{words}");
    }

    #[test]
    fn a_deposed_leader_is_not_believed() {
        let newer = changed(2, |part| {
            "leader".clone_into(&mut part.role);
            part.term = 5;
        });
        let (_, words) = words(&[well(1), newer, well(3)]);
        assert!(words.contains("node-2 leads in term 5"), "{words}");
    }

    #[test]
    fn what_else_needs_attention() {
        let mut odd = changed(3, |part| part.log.applied = 0);
        let status = odd.status.as_mut().unwrap();
        status.more.insert("unsafe_no_fsync".to_owned(), Value::Bool(true));
        "0.2.0".clone_into(&mut status.version);
        let other = changed(2, |part| "bad".clone_into(&mut part.state_hash));
        let (health, words) = words(&[well(1), other, odd]);
        assert_eq!(health, Health::Degraded);
        assert!(words.contains("node-1 and node-2 hold different data at index 40"), "{words}");
        assert!(words.contains("node-3 runs with --unsafe-no-fsync"), "{words}");
        assert!(words.contains("different versions: 0.1.0 (as node-2), 0.2.0 (as node-3)"));
        assert!(!words.contains("behind"), "40 entries are nothing: {words}");
    }

    #[test]
    fn a_member_far_behind_is_named() {
        let leader = changed(1, |part| part.log.commit = 5_000);
        let (_, words) = words(&[leader, changed(2, |part| part.log.applied = 4_999), well(3)]);
        assert!(words.contains("node-3 is 4960 entries behind"), "{words}");
        assert!(!words.contains("node-2 is"), "{words}");
    }

    fn says(number: u64, alarm: &str, message: &str) -> Seen {
        let mut seen = well(number);
        let alarms = serde_json::json!([{ "alarm": alarm, "message": message }]);
        seen.status.as_mut().unwrap().more.insert("alarms".to_owned(), alarms);
        seen
    }

    #[test]
    fn what_members_raise_an_alarm_for_is_told_in_their_words() {
        let (health, words) =
            words(&[well(1), says(2, "quarantined", "it serves nothing"), well(3)]);
        assert_eq!(health, Health::Degraded);
        assert!(words.ends_with("survived\nnode-2: it serves nothing"), "{words}");
    }

    #[test]
    fn a_cluster_that_takes_no_writes_is_down_and_says_so_once() {
        let corrupt = |number| says(number, "corrupt", "writes are refused");
        let (health, words) = words(&[corrupt(1), corrupt(2), well(3)]);
        assert_eq!(health, Health::Down);
        assert_eq!(words.matches("writes are refused").count(), 1, "{words}");
    }

    #[test]
    fn learners_count_for_no_majority() {
        let learner = Seen { standing: LEARNER.to_owned(), ..away(4) };
        let (_, words) = words(&[well(1), well(2), well(3), learner]);
        assert!(words.starts_with("3 of 3 voters work, node-1 leads in term 4; one"), "{words}");
    }

    #[test]
    fn a_change_of_members_and_a_snapshot_under_way_are_told() {
        let joining = Seen { standing: "joining".to_owned(), ..well(4) };
        let mut leader = well(1);
        let sent = serde_json::json!({ "bytes": 10, "bytes_total": 25 });
        leader.status.as_mut().unwrap().members = vec![client::MemberView {
            id: "4".to_owned(),
            name: "node-4".to_owned(),
            address: "localhost:8004".to_owned(),
            client_urls: Vec::new(),
            standing: "joining".to_owned(),
            more: [("snapshot_sent".to_owned(), sent)].into(),
        }];
        let (health, words) = words(&[leader, well(2), well(3), joining]);
        assert_eq!(health, Health::Degraded);
        assert!(words.contains("the members are changing: node-4 is joining"), "{words}");
        assert!(words.contains("node-4 is being sent a snapshot: 10 of 25 bytes"), "{words}");
    }
}

//! A member of three whose peers are played by hand: its threads, its log and its core are real.

use std::time::Duration;

use disk::SimDisk;
use replica::Member;
use store::{Command, Put};

use super::*;
use crate::node::threads::tests::{ID, inbox_of, started};
use crate::node::{Input, Node, Threads};

const DEADLINE: Duration = Duration::from_secs(20);
const ONE: MemberId = MemberId(1);
const TWO: MemberId = MemberId(2);
/// The founding entry: all that a new log holds.
const FOUNDED: LogId = LogId { term: Term(1), index: Index(1) };

fn member() -> (Node, Threads) {
    let member = |number: u64| {
        let address = format!("localhost:{number}");
        (MemberId(number), Member::voter(number.into(), format!("node-{number}"), address))
    };
    let members = [1, 2, ID.0].map(member).into();
    started(SimDisk::new(), &Configuration::founding(9, members))
}

fn vote(from: MemberId, term: u64, last: LogId) -> HandMade {
    HandMade { from, term: Term(term), says: Says::Vote { last } }
}

fn append(from: MemberId, term: u64, previous: LogId, keys: &[&'static str]) -> HandMade {
    let entry = |key: &&'static str| HandEntry {
        term: Term(term),
        kind: EntryKind::Command,
        payload: Command::from(Put::new(*key, "by hand")).encode(),
    };
    let entries = keys.iter().map(entry).collect();
    HandMade { from, term: Term(term), says: Says::Append { previous, entries, commit: Index(0) } }
}

fn committing(made: HandMade, commit: u64) -> HandMade {
    match made.says {
        Says::Append { previous, entries, .. } => {
            let commit = Index(commit);
            HandMade { says: Says::Append { previous, entries, commit }, ..made }
        }
        Says::Vote { .. } => unreachable!("votes commit nothing"),
    }
}

async fn say(node: &Node, made: HandMade) -> Result<(u64, bool), NotTaken> {
    let said = node.say_by_hand(made, DEADLINE).await.expect("it is answered in time");
    said.map(|HandAnswer { term, success }| (term.0, success))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_has_one_vote_a_term_and_gives_it_to_whoever_asks_first() {
    let (node, threads) = member();
    assert_eq!(say(&node, vote(ONE, 50, FOUNDED)).await, Ok((50, true)));
    assert_eq!(say(&node, vote(TWO, 50, FOUNDED)).await, Ok((50, false)));
    assert_eq!(say(&node, vote(ONE, 50, FOUNDED)).await, Ok((50, true)), "the same once more");
    assert_eq!(say(&node, vote(TWO, 51, FOUNDED)).await, Ok((51, true)));
    assert_eq!(say(&node, vote(ONE, 50, FOUNDED)).await, Ok((51, false)), "an old term");
    threads.stop(DEADLINE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_log_gets_no_vote() {
    let (node, threads) = member();
    assert_eq!(say(&node, vote(ONE, 50, LogId::default())).await, Ok((50, false)));
    threads.stop(DEADLINE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_taken_after_the_entry_before_them_and_applied_once_committed() {
    let (node, threads) = member();
    let missing = LogId::new(Term(50), Index(7));
    assert_eq!(say(&node, append(ONE, 50, missing, &["a"])).await, Ok((50, false)));
    assert_eq!(say(&node, append(ONE, 50, FOUNDED, &["a", "b"])).await, Ok((50, true)));
    assert!(node.store().get(b"a", None).unwrap().0.is_none(), "it is not committed");
    let third = LogId::new(Term(50), Index(3));
    assert_eq!(say(&node, committing(append(ONE, 50, third, &[]), 2)).await, Ok((50, true)));
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while node.store().get(b"a", None).unwrap().0.is_none() {
        assert!(tokio::time::Instant::now() < deadline, "it is not applied in time");
        tokio::task::yield_now().await;
    }
    assert!(node.store().get(b"b", None).unwrap().0.is_none(), "the next one is not committed");
    threads.stop(DEADLINE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_a_new_leader_take_the_place_of_others_but_never_of_committed_ones() {
    let (node, threads) = member();
    assert_eq!(say(&node, append(ONE, 50, FOUNDED, &["a", "b"])).await, Ok((50, true)));
    let second = LogId::new(Term(50), Index(2));
    let committed = committing(append(ONE, 50, second, &[]), 2);
    assert_eq!(say(&node, committed).await, Ok((50, true)));
    assert_eq!(say(&node, append(TWO, 51, second, &["c"])).await, Ok((51, true)));
    let conflict = say(&node, append(TWO, 52, FOUNDED, &["d"])).await;
    let expected = Refusal::ConflictsWithCommitted(Index(2));
    assert_eq!(conflict, Err(NotTaken::Refused(expected)));
    threads.stop(DEADLINE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_no_member_or_the_member_itself_is_not_listened_to() {
    let (node, threads) = member();
    let stranger = MemberId(77);
    let refused = say(&node, vote(stranger, 50, FOUNDED)).await;
    assert_eq!(refused, Err(NotTaken::NoMember(stranger)));
    let itself = say(&node, vote(ID, 50, FOUNDED)).await;
    assert_eq!(itself, Err(NotTaken::Refused(Refusal::Stranger(ID))));
    let absurd = say(&node, vote(ONE, 1 << 40, FOUNDED)).await;
    assert!(matches!(absurd, Err(NotTaken::Refused(Refusal::TermFarAhead { .. }))), "{absurd:?}");
    assert!(node.status().replica.as_ref().unwrap().term < Term(50), "nothing has changed");
    threads.stop(DEADLINE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_term_has_one_leader_by_hand_too_and_a_vote_is_refused_while_it_is_heard() {
    let (node, threads) = member();
    assert_eq!(say(&node, append(ONE, 50, FOUNDED, &["a"])).await, Ok((50, true)));
    let second = say(&node, append(TWO, 50, FOUNDED, &["b"])).await;
    let expected = NotTaken::Led { leader: ONE, term: Term(50) };
    assert_eq!(second, Err(expected));
    let longer = LogId::new(Term(50), Index(9));
    assert_eq!(say(&node, vote(TWO, 51, longer)).await, Ok((50, false)), "it hears a leader");
    threads.stop(DEADLINE).unwrap();
}

/// What a peer would have said of itself, over its own stream.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_for_a_leader_that_speaks_for_itself() {
    let (node, threads) = member();
    let own = append(ONE, 50, FOUNDED, &["own"]).message(Now::default(), 0, 0);
    inbox_of(&threads).notify(Input::Messages(ONE, vec![PeerMessage::Raft(own)]));
    let led = NotTaken::Led { leader: ONE, term: Term(50) };
    assert_eq!(say(&node, append(ONE, 50, FOUNDED, &["a"])).await, Err(led.clone()));
    // A leader by hand whose namesake comes to lead the same term is silent from then on.
    assert_eq!(say(&node, append(TWO, 60, FOUNDED, &[])).await, Ok((60, true)));
    let own = append(TWO, 60, FOUNDED, &[]).message(Now::default(), 0, 0);
    inbox_of(&threads).notify(Input::Messages(TWO, vec![PeerMessage::Raft(own)]));
    let led = NotTaken::Led { leader: TWO, term: Term(60) };
    assert_eq!(say(&node, append(TWO, 60, FOUNDED, &["a"])).await, Err(led));
    threads.stop(DEADLINE).unwrap();
}

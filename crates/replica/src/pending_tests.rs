//! What is kept beside the requests goes with them.

use raft::ReadPoint;

use super::*;
use crate::FEATURE_LEVEL;

const ASKED: MemberId = MemberId(2);

fn patience(until_ms: u64) -> Patience {
    Patience { deadline_ms: until_ms, held_until_ms: until_ms }
}

fn write(ticket: u64, until_ms: u64) -> HeldWrite {
    let command = Bytes::from(vec![0; COMMAND_BYTES_MAX / 4]);
    let (ticket, patience) = (Ticket(ticket), patience(until_ms));
    HeldWrite { ticket, command, forward: true, patience, refused: None, resent: false }
}

#[test]
fn a_read_that_expired_is_forgotten_wherever_it_waited() {
    let mut pending = Pending::default();
    pending.read(Ticket(1), patience(10));
    pending.read(Ticket(2), patience(10));
    assert_eq!(pending.ask_held_reads(Term(1)), [ReadId(1), ReadId(2)]);
    let point = ReadPoint { index: Index(5), settled_ms: 0 };
    pending.read_confirmed(ReadReady { id: ReadId(1), point });
    pending.read_failed(ReadId(2));
    pending.expire(10);
    assert_eq!(pending.answers.len(), 2);
    assert!(pending.held_reads.is_empty() && pending.waiting_reads.is_empty());
}

#[test]
fn writes_without_a_leader_are_bounded_by_their_bytes() {
    let mut pending = Pending::default();
    for ticket in 0..4 {
        assert!(!pending.is_full_of_commands());
        pending.hold(write(ticket, 10));
    }
    assert!(pending.is_full_of_commands());
    pending.expire(10);
    assert_eq!((pending.answers.len(), pending.command_bytes), (4, 0));
}

#[test]
fn the_bytes_of_a_write_are_counted_until_it_is_decided_or_proposed() {
    let mut pending = Pending::default();
    let leader = ASKED;
    (1..=4).for_each(|number| pending.hold(write(number, 100)));
    let one = pending.command_bytes / 4;
    for (number, write) in (1..).zip(pending.take_held(Term(1))) {
        pending.forwarded(number, (leader, Term(1)), write);
    }
    assert_eq!(pending.command_bytes, 4 * one);
    pending.forward_proposed(ASKED, 1, LogId::new(Term(1), Index(9)), Index(8));
    pending.forward_refused(ASKED, 2, ForwardRefusal::Overloaded, FEATURE_LEVEL);
    assert_eq!(pending.command_bytes, 2 * one);
    pending.forward_refused(ASKED, 3, ForwardRefusal::NotLeader, FEATURE_LEVEL);
    assert_eq!(pending.command_bytes, 2 * one, "it is held again");
    pending.leader_died(leader);
    assert_eq!(pending.command_bytes, one);
    pending.stop();
    assert_eq!((pending.answers.len(), pending.command_bytes), (4, 0));
}

#[test]
fn a_refusal_counts_for_the_term_that_was_asked_not_for_the_one_it_came_in() {
    let mut pending = Pending::default();
    pending.hold(write(1, 100));
    let write = pending.take_held(Term(1)).pop_front().expect("it is held");
    pending.forwarded(1, (ASKED, Term(1)), write);
    pending.forward_refused(ASKED, 1, ForwardRefusal::NotLeader, FEATURE_LEVEL);
    assert_eq!(pending.take_held(Term(1)).len(), 0, "the same leader is not asked again at once");
    assert_eq!(pending.take_held(Term(2)).len(), 1, "the next one is");
    pending.read(Ticket(2), patience(100));
    assert_eq!(pending.ask_held_reads(Term(1)).len(), 1);
    pending.read_failed(ReadId(2));
    assert_eq!(pending.ask_held_reads(Term(1)), []);
    assert_eq!(pending.ask_held_reads(Term(2)), [ReadId(2)]);
}

/// A write with a name of which an earlier copy was forwarded and is lost.
fn resent(until_ms: u64) -> Pending {
    let origin = store::Origin::Key(Bytes::from_static(b"a name"));
    let range = store::KeyRange::all();
    let change = Command::Delete { range, prev_kv: false, condition: None };
    let command = Command::Once { origin, command: Box::new(change) }.encode();
    let mut pending = Pending::default();
    pending.forwarded(1, (ASKED, Term(1)), HeldWrite { command, ..write(1, until_ms) });
    pending.leader_died(ASKED);
    assert!(pending.answers.is_empty());
    pending
}

fn take(pending: &mut Pending) -> HeldWrite {
    pending.take_held(Term(2)).pop_front().expect("it is held")
}

/// The place of its newest copy is decided: an entry of `term` stands there and came to `outcome`.
fn decided(term: u64, outcome: Outcome) -> Result<Done, Failure> {
    let mut pending = resent(100);
    let write = take(&mut pending);
    pending.proposed(LogId::new(Term(2), Index(9)), &write);
    let id = LogId::new(Term(term), Index(9));
    let applied =
        Applied { id, stamp_ms: 0, bytes: 0, outcome, configuration: None, revoked: None };
    pending.applied(applied);
    pending.answers.pop().expect("it is decided").result
}

#[test]
fn no_failure_of_a_copy_says_that_the_write_was_not_done() {
    let unknown = |mut pending: Pending| {
        let result = pending.answers.pop().expect("it is answered").result;
        assert_eq!(result, Err(Failure::Unknown));
        assert_eq!((pending.len(), pending.command_bytes), (0, 0));
    };
    let mut expired = resent(100);
    expired.expire(100);
    unknown(expired);
    let mut stopped = resent(100);
    stopped.stop();
    unknown(stopped);
    let mut own_refusal = resent(100);
    let write = take(&mut own_refusal);
    own_refusal.refuse(&write, Failure::NoSpace);
    unknown(own_refusal);
    for refusal in [
        ForwardRefusal::Overloaded,
        ForwardRefusal::Corrupt,
        ForwardRefusal::NoSpace,
        ForwardRefusal::UnknownCommand,
    ] {
        let mut refused = resent(100);
        let write = take(&mut refused);
        refused.forwarded(2, (ASKED, Term(2)), write);
        refused.forward_refused(ASKED, 2, refusal, FEATURE_LEVEL);
        unknown(refused);
    }
    assert_eq!(decided(3, Outcome::Nothing), Err(Failure::Unknown), "its place was taken");
}

#[test]
fn the_newest_copy_decides_unless_the_client_may_have_undone_what_it_rests_on() {
    let revision = store::Revision(5);
    let done = Outcome::Deleted { revision, count: 1, prev: Vec::new() };
    assert!(decided(2, done).is_ok());
    assert!(decided(2, Outcome::TableFull).is_ok(), "it would have been known");
    for outcome in [Outcome::SessionExpired, Outcome::Stale] {
        assert_eq!(decided(2, outcome), Err(Failure::Unknown));
    }
}

#[test]
fn what_was_forwarded_in_an_earlier_term_is_sent_again_if_it_has_a_name() {
    let mut pending = resent(100);
    pending.led_in(Term(2));
    let write = take(&mut pending);
    pending.forwarded(2, (ASKED, Term(2)), write);
    pending.forwarded(3, (ASKED, Term(2)), super::tests::write(3, 100));
    pending.led_in(Term(2));
    assert_eq!(pending.held.len(), 0, "it was asked in this term");
    pending.led_in(Term(3));
    assert_eq!((pending.held.len(), pending.forwarded.len()), (1, 1));
}

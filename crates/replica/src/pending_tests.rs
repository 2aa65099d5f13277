//! What is kept beside the requests goes with them.

use raft::ReadPoint;

use super::*;

const ASKED: MemberId = MemberId(2);

fn patience(until_ms: u64) -> Patience {
    Patience { deadline_ms: until_ms, held_until_ms: until_ms }
}

fn write(ticket: u64, until_ms: u64) -> HeldWrite {
    let command = Bytes::from(vec![0; COMMAND_BYTES_MAX / 4]);
    let (ticket, patience) = (Ticket(ticket), patience(until_ms));
    HeldWrite { ticket, command, forward: true, patience, refused: None }
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
    pending.forward_refused(ASKED, 2, ForwardRefusal::Overloaded);
    assert_eq!(pending.command_bytes, 2 * one);
    pending.forward_refused(ASKED, 3, ForwardRefusal::NotLeader);
    assert_eq!(pending.command_bytes, 2 * one, "it is held again");
    pending.stream_broke(leader);
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
    pending.forward_refused(ASKED, 1, ForwardRefusal::NotLeader);
    assert_eq!(pending.take_held(Term(1)).len(), 0, "the same leader is not asked again at once");
    assert_eq!(pending.take_held(Term(2)).len(), 1, "the next one is");
    pending.read(Ticket(2), patience(100));
    assert_eq!(pending.ask_held_reads(Term(1)).len(), 1);
    pending.read_failed(ReadId(2));
    assert_eq!(pending.ask_held_reads(Term(1)), []);
    assert_eq!(pending.ask_held_reads(Term(2)), [ReadId(2)]);
}

use proptest::prelude::*;

use replica::{LeaseAsk, LeaseRefusal, LeaseStanding, LeaseTold};
use store::LeaseId;

use super::*;
use crate::peer::frame::{FRAME_BYTES_MAX, take_frame};

fn log_id() -> impl Strategy<Value = LogId> {
    prop_oneof![
        Just(LogId::default()),
        (1..NUMBER_MAX, 1..NUMBER_MAX)
            .prop_map(|(term, index)| LogId::new(Term(term), Index(index))),
    ]
}

fn kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![Just(EntryKind::Noop), Just(EntryKind::Command), Just(EntryKind::Configuration),]
}

/// Entries that follow each other, in terms that never go back, as a leader sends them.
fn append() -> impl Strategy<Value = Message> {
    let entry = (0..3u64, kind(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..40));
    let entries = prop::collection::vec(entry, 0..20);
    (0..1_000u64, 1..1_000u64, entries, any::<u32>(), any::<u32>()).prop_map(
        |(index, term, drafts, commit, round)| {
            let term_before = if index == 0 { 0 } else { term };
            let previous = LogId::new(Term(term_before), Index(index));
            let mut last = LogId::new(Term(term), Index(index));
            let mut entries = Vec::new();
            for (step, kind, stamp, payload) in drafts {
                last = LogId::new(Term(last.term.0 + step), last.index.next());
                let (stamp_ms, age_ms) = (u64::from(stamp), u64::from(stamp / 2));
                entries.push(Entry { id: last, kind, stamp_ms, age_ms, payload: payload.into() });
            }
            let (commit, round, age_ms) = (Index(u64::from(commit)), u64::from(round), 7);
            let body = Body::Append { previous, entries, commit, round, age_ms };
            Message { term: last.term, body }
        },
    )
}

fn number_in_range() -> impl Strategy<Value = u64> {
    prop_oneof![0..300u64, 0..=NUMBER_MAX]
}

fn body() -> impl Strategy<Value = Body> {
    let accepted =
        number_in_range().prop_map(|matched| AppendResult::Accepted { matched: Index(matched) });
    let rejected = (number_in_range(), log_id())
        .prop_map(|(previous, hint)| AppendResult::Rejected { previous: Index(previous), hint });
    prop_oneof![
        log_id().prop_map(|last| Body::PreVote { last }),
        any::<bool>().prop_map(|granted| Body::PreVoteAnswer { granted }),
        (log_id(), any::<bool>()).prop_map(|(last, transfer)| Body::Vote { last, transfer }),
        any::<bool>().prop_map(|granted| Body::VoteAnswer { granted }),
        (number_in_range(), prop_oneof![accepted, rejected])
            .prop_map(|(round, result)| Body::AppendAnswer { round, result }),
        any::<u64>().prop_map(|request| Body::ReadIndex { request }),
        (any::<u64>(), prop::option::of(read_point()))
            .prop_map(|(request, point)| Body::ReadIndexAnswer { request, point }),
        Just(Body::TimeoutNow),
    ]
}

fn read_point() -> impl Strategy<Value = ReadPoint> {
    (number_in_range(), number_in_range())
        .prop_map(|(index, settled_ms)| ReadPoint { index: Index(index), settled_ms })
}

fn sample() -> impl Strategy<Value = Sample> {
    (number_in_range(), any::<u32>(), any::<u64>()).prop_map(|(index, version, hash)| Sample {
        index,
        version,
        hash,
    })
}

fn about_lease() -> impl Strategy<Value = PeerMessage> {
    let ask = prop_oneof![Just(LeaseAsk::KeepAlive), Just(LeaseAsk::TimeToLive)];
    let standing = (number_in_range(), number_in_range(), number_in_range()).prop_map(
        |(granted_index, ttl_s, left_ms)| LeaseStanding { granted_index, ttl_s, left_ms },
    );
    let told = (number_in_range(), prop::option::of(standing))
        .prop_map(|(index, standing)| LeaseTold { index: Index(index), standing });
    let result = prop_oneof![
        told.prop_map(Ok),
        Just(Err(LeaseRefusal::NotLeader)),
        Just(Err(LeaseRefusal::Overloaded)),
    ];
    prop_oneof![
        (number_in_range(), any::<u64>(), any::<u64>(), any::<i64>(), ask).prop_map(
            |(term, life, number, lease, ask)| {
                let (term, lease) = (Term(term), LeaseId(lease));
                PeerMessage::LeaseAsk { term, life, number, lease, ask }
            }
        ),
        (any::<u64>(), any::<u64>(), result)
            .prop_map(|(life, number, result)| PeerMessage::LeaseAnswer { life, number, result }),
    ]
}

fn message() -> impl Strategy<Value = PeerMessage> {
    let result = prop_oneof![
        log_id().prop_map(Ok),
        Just(Err(ForwardRefusal::NotLeader)),
        Just(Err(ForwardRefusal::Overloaded)),
        Just(Err(ForwardRefusal::Corrupt)),
        Just(Err(ForwardRefusal::NoSpace)),
        Just(Err(ForwardRefusal::NoMemory)),
        Just(Err(ForwardRefusal::UnknownCommand)),
    ];
    prop_oneof![
        append().prop_map(PeerMessage::Raft),
        (number_in_range(), body())
            .prop_map(|(term, body)| PeerMessage::Raft(Message { term: Term(term), body })),
        (number_in_range(), any::<u64>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(term, life, number, command)| PeerMessage::Forward {
                term: Term(term),
                life,
                number,
                command: command.into(),
            }),
        (any::<u64>(), any::<u64>(), result).prop_map(|(life, number, result)| {
            PeerMessage::ForwardAnswer { life, number, result }
        }),
        (prop::collection::vec(sample(), 0..=SAMPLES_MAX), any::<bool>(), memory(), process())
            .prop_map(|(samples, lacks_room, memory, process)| PeerMessage::Report {
                samples,
                lacks_room,
                memory,
                process,
            }),
        sample().prop_map(|majority| PeerMessage::Verdict { majority }),
        about_lease(),
    ]
}

fn process() -> impl Strategy<Value = Process> {
    (any::<u64>(), 1..=u32::MAX).prop_map(|(life, level)| Process { life, level })
}

fn memory() -> impl Strategy<Value = MemoryUse> {
    (number_in_range(), number_in_range(), any::<bool>())
        .prop_map(|(used_bytes, limit_bytes, lacks)| MemoryUse { used_bytes, limit_bytes, lacks })
}

/// Reads every frame of `buffer`.
fn read_all(buffer: &mut BytesMut) -> Result<Vec<PeerMessage>, Malformed> {
    let mut messages = Vec::new();
    while let Some(body) = take_frame(buffer, FRAME_BYTES_MAX)? {
        messages.extend(read_messages(body)?);
    }
    assert!(buffer.is_empty(), "frames end where the buffer ends");
    Ok(messages)
}

proptest! {
    #[test]
    fn what_is_written_is_read(messages in prop::collection::vec(message(), 0..30)) {
        let mut buffer = BytesMut::new();
        put_messages(&mut buffer, &messages);
        prop_assert_eq!(read_all(&mut buffer), Ok(messages));
    }

    #[test]
    fn random_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_messages(Bytes::from(body));
    }

    /// Damage behind a right checksum: what a faulty or hostile peer could send.
    #[test]
    fn damaged_messages_are_read_or_refused(
        messages in prop::collection::vec(message(), 1..5),
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut buffer = BytesMut::new();
        for message in &messages {
            put_message(&mut buffer, message);
        }
        let position = position.index(buffer.len());
        buffer[position] = byte;
        let _ = read_messages(buffer.freeze());
    }
}

fn forward(number: u64, command: Bytes) -> PeerMessage {
    PeerMessage::Forward { term: Term(1), life: 1, number, command }
}

fn noop(term: u64, index: u64) -> Entry {
    Entry {
        id: LogId::new(Term(term), Index(index)),
        kind: EntryKind::Noop,
        stamp_ms: 0,
        age_ms: 0,
        payload: Bytes::new(),
    }
}

fn append_of(term: u64, previous: LogId, entries: Vec<Entry>) -> PeerMessage {
    let body = Body::Append { previous, entries, commit: Index(0), round: 0, age_ms: 0 };
    PeerMessage::Raft(Message { term: Term(term), body })
}

fn reread(message: &PeerMessage) -> Result<Vec<PeerMessage>, Malformed> {
    let mut buffer = BytesMut::new();
    put_message(&mut buffer, message);
    read_messages(buffer.freeze())
}

#[test]
fn entries_of_an_impossible_term_are_refused() {
    let at_2 = LogId::new(Term(2), Index(7));
    let start = LogId::default();
    for impossible in [
        append_of(5, at_2, vec![noop(1, 8)]),
        append_of(5, at_2, vec![noop(6, 8)]),
        append_of(5, at_2, vec![noop(4, 8), noop(3, 9)]),
        append_of(5, start, vec![noop(0, 1)]),
        append_of(1, at_2, vec![]),
    ] {
        assert_eq!(reread(&impossible), Err(Malformed::EntryTerm), "{impossible:?}");
    }
}

#[test]
fn numbers_that_could_overflow_are_refused() {
    let large = NUMBER_MAX + 1;
    let answer = Body::PreVoteAnswer { granted: true };
    let answer = PeerMessage::Raft(Message { term: Term(large), body: answer });
    assert_eq!(reread(&answer), Err(Malformed::NumberTooLarge));
    let vote = Body::PreVote { last: LogId::new(Term(1), Index(u64::MAX)) };
    let vote = PeerMessage::Raft(Message { term: Term(1), body: vote });
    assert_eq!(reread(&vote), Err(Malformed::NumberTooLarge));
}

#[test]
fn half_a_log_id_is_refused() {
    let vote = Body::PreVote { last: LogId::new(Term(0), Index(3)) };
    let vote = PeerMessage::Raft(Message { term: Term(1), body: vote });
    assert_eq!(reread(&vote), Err(Malformed::LogId));
}

#[test]
fn a_frame_of_nothing_but_tiny_messages_is_bounded() {
    let tiny = [0; MESSAGE_HEADER_BYTES];
    // A message of no bytes has no body.
    assert_eq!(read_messages(Bytes::copy_from_slice(&tiny)), Err(Malformed::NoBody));
    let mut buffer = BytesMut::new();
    for _ in 0..=MESSAGES_MAX {
        put_message(&mut buffer, &forward(1, Bytes::new()));
    }
    assert_eq!(read_messages(buffer.freeze()), Err(Malformed::TooManyMessages));
}

#[test]
fn entries_stand_only_behind_an_append() {
    let mut buffer = BytesMut::new();
    put_message(&mut buffer, &append_of(1, LogId::default(), vec![noop(1, 1)]));
    let vote = to_wire(&forward(1, Bytes::new()));
    let mut stray = BytesMut::new();
    stray.put_u32_le(vote.encoded_len() as u32);
    stray.put_u32_le(ENTRY_HEADER_BYTES as u32);
    vote.encode_raw(&mut stray);
    stray.put_slice(&buffer[buffer.len() - ENTRY_HEADER_BYTES..]);
    assert_eq!(read_messages(stray.freeze()), Err(Malformed::StrayEntries));
}

#[test]
fn many_messages_take_several_frames() {
    let command = Bytes::from(vec![7; 300 << 10]);
    let messages: Vec<_> = (0..10).map(|number| forward(number, command.clone())).collect();
    let mut buffer = BytesMut::new();
    put_messages(&mut buffer, &messages);
    let mut frames = 0;
    let mut read = Vec::new();
    while let Some(body) = take_frame(&mut buffer, FRAME_BYTES_MAX).unwrap() {
        frames += 1;
        read.extend(read_messages(body).unwrap());
    }
    assert_eq!(frames, 3, "a frame is full once it has reached 1 MiB");
    assert_eq!(read, messages);
}

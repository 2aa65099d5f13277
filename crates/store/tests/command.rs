//! Commands: the encoding there and back, hostile bytes, and the limits.

use bytes::Bytes;
use proptest::prelude::*;
use store::{Command, CommandError, DecodeError, KeyRange, Limits};

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        bytes().prop_map(KeyRange::Single),
        bytes().prop_map(KeyRange::Prefix),
        bytes().prop_map(KeyRange::From),
        (bytes(), bytes()).prop_map(|(start, end)| KeyRange::Between { start, end }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (bytes(), bytes(), any::<bool>()).prop_map(|(key, value, prev_kv)| Command::Put {
            key,
            value,
            prev_kv
        }),
        (range(), any::<bool>()).prop_map(|(range, prev_kv)| Command::Delete { range, prev_kv }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_command_survives_its_encoding(command in command()) {
        prop_assert_eq!(Command::decode(command.encode()), Ok(command));
    }

    #[test]
    fn random_bytes_are_refused_or_mean_one_command(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        check_hostile(bytes)?;
    }

    /// Bytes that begin well reach deeper than random ones.
    #[test]
    fn damaged_commands_are_refused_or_mean_one_command(
        command in command(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = command.encode().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        check_hostile(bytes.clone())?;
        bytes.truncate(cut.index(bytes.len()));
        check_hostile(bytes)?;
    }

    #[test]
    fn an_added_field_is_refused(
        command in command(),
        field in 16u32..1_000,
        number in any::<u64>(),
    ) {
        let mut bytes = command.encode().to_vec();
        prost::encoding::uint64::encode(field, &number, &mut bytes);
        prop_assert_eq!(Command::decode(bytes.into()), Err(DecodeError::UnknownField));
    }
}

/// Whatever is understood must be all there was: its own encoding has as many bytes.
fn check_hostile(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let given = bytes.len();
    if let Ok(command) = Command::decode(bytes.into()) {
        prop_assert_eq!(command.encode().len(), given);
    }
    Ok(())
}

/// The vectors of `docs/format/command.md`.
#[test]
fn the_documented_bytes_are_the_encoding() {
    let put = Command::Put { key: "name".into(), value: "RaftKV".into(), prev_kv: true };
    assert_eq!(put.encode()[..], *b"\x0a\x10\x0a\x04name\x12\x06RaftKV\x18\x01");
    let between = KeyRange::Between { start: "a".into(), end: "c".into() };
    let delete = Command::Delete { range: between, prev_kv: false };
    assert_eq!(delete.encode()[..], *b"\x12\x08\x22\x06\x0a\x01a\x12\x01c");
}

fn put(key_bytes: usize, value_bytes: usize) -> Command {
    let (key, value) = (vec![b'k'; key_bytes].into(), vec![b'v'; value_bytes].into());
    Command::Put { key, value, prev_kv: false }
}

fn delete(range: KeyRange) -> Command {
    Command::Delete { range, prev_kv: false }
}

#[test]
fn a_key_has_at_least_one_byte_and_at_most_the_limit() {
    let limits = Limits::default();
    let too_large = CommandError::KeyTooLarge { bytes: 65_537, bytes_max: 65_536 };
    assert_eq!(put(0, 1).validate(&limits), Err(CommandError::EmptyKey));
    assert_eq!(put(65_536, 1).validate(&limits), Ok(()));
    assert_eq!(put(65_537, 1).validate(&limits), Err(too_large));
    assert_eq!(
        delete(KeyRange::Single(Bytes::new())).validate(&limits),
        Err(CommandError::EmptyKey)
    );
    let long = Bytes::from(vec![b'k'; 65_537]);
    let ranges = [
        KeyRange::Single(long.clone()),
        KeyRange::Prefix(long.clone()),
        KeyRange::From(long.clone()),
        KeyRange::Between { start: long.clone(), end: "b".into() },
        KeyRange::Between { start: "a".into(), end: long },
    ];
    for range in ranges {
        assert_eq!(delete(range).validate(&limits), Err(too_large));
    }
}

#[test]
fn a_range_may_begin_at_the_empty_key() {
    for range in [KeyRange::all(), KeyRange::Prefix(Bytes::new())] {
        assert_eq!(delete(range).validate(&Limits::default()), Ok(()));
    }
}

#[test]
fn a_command_is_at_most_the_limit_in_all() {
    let limits = Limits { key_bytes_max: 100, request_bytes_max: 1_000 };
    let overhead = put(4, 900).encode().len() - 904;
    assert_eq!(put(4, 996 - overhead).validate(&limits), Ok(()));
    assert_eq!(
        put(4, 997 - overhead).validate(&limits),
        Err(CommandError::RequestTooLarge { bytes: 1_001, bytes_max: 1_000 })
    );
}

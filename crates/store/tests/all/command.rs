//! Commands: the encoding there and back, hostile bytes, and the limits.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use store::{
    Access, AuthChange, Command, CommandError, CompactionCause, Compare, Condition, DecodeError,
    DueKey, EXPIRED_MAX, Grant, KeyRange, LeaseId, Limits, ONCE_KEY_BYTES_MAX, Operand, Origin,
    Permission, Principal, Put, PutLifetime, RangeRequest, Relation, Revision, SessionId,
    SettingsChange, Sort, SortBy, TTL_MS_MAX, TTL_S_MAX, TXN_DEPTH_MAX, TXN_OPERATIONS_MAX, Txn,
    TxnOp,
};

use crate::support::logs::txn;
use crate::support::txn_text;

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

fn condition() -> impl Strategy<Value = Option<Condition>> {
    prop_oneof![
        Just(None),
        Just(Some(Condition::Exists)),
        any::<u64>().prop_map(|revision| Some(Condition::ModRevision(Revision(revision)))),
    ]
}

fn lifetime() -> impl Strategy<Value = PutLifetime> {
    prop_oneof![
        Just(PutLifetime::Unbounded),
        Just(PutLifetime::AsBefore),
        any::<i64>().prop_map(|lease| PutLifetime::Lease(LeaseId(lease))),
        any::<u64>().prop_map(PutLifetime::TtlMs),
    ]
}

fn expiry() -> impl Strategy<Value = Command> {
    let lease =
        any::<(i64, u64)>().prop_map(|(lease, index)| Grant { lease: LeaseId(lease), index });
    let key = (bytes(), any::<u64>())
        .prop_map(|(key, revision)| DueKey { key, mod_revision: Revision(revision) });
    let (leases, keys) = (prop::collection::vec(lease, 0..4), prop::collection::vec(key, 0..4));
    (leases, keys).prop_map(|(leases, keys)| Command::Expire { leases, keys })
}

/// A change but for transactions.
fn change() -> impl Strategy<Value = Command> {
    let put = (bytes(), bytes(), any::<[bool; 2]>(), condition(), lifetime());
    let delete = (range(), any::<bool>(), condition());
    prop_oneof![
        put.prop_map(|(key, value, [prev_kv, ignore_value], condition, lifetime)| {
            let put = Put { key, value, prev_kv, ignore_value, lifetime };
            Command::Put { put, condition }
        }),
        any::<(i64, u64)>()
            .prop_map(|(lease, ttl_s)| Command::LeaseGrant { lease: LeaseId(lease), ttl_s }),
        any::<i64>().prop_map(|lease| Command::LeaseRevoke { lease: LeaseId(lease) }),
        delete.prop_map(|(range, prev_kv, condition)| {
            let condition = condition.filter(|_| matches!(range, KeyRange::Single(_)));
            Command::Delete { range, prev_kv, condition }
        }),
        bytes().prop_map(|record| Command::DeleteRecord { record }),
    ]
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        any::<(u64, u64, u64)>().prop_map(|(session, seq, acked_below)| Origin::Session {
            session: SessionId(session),
            seq,
            acked_below
        }),
        bytes().prop_map(Origin::Key),
    ]
}

fn cause() -> impl Strategy<Value = CompactionCause> {
    use CompactionCause::{Age, Asked, Bytes, Memory};
    prop::sample::select(vec![Asked, Age, Bytes, Memory])
}

fn name() -> impl Strategy<Value = Arc<str>> {
    "[a-zä]{0,4}".prop_map(Arc::from)
}

fn principal() -> impl Strategy<Value = Principal> {
    (name(), any::<u64>()).prop_map(|(user, credentials)| Principal { user, credentials })
}

fn auth_change() -> impl Strategy<Value = AuthChange> {
    let hash = || prop::option::of(name());
    let access = prop::sample::select(vec![Access::Read, Access::Write, Access::ReadWrite]);
    prop_oneof![
        Just(AuthChange::Enable),
        Just(AuthChange::Disable),
        (name(), hash())
            .prop_map(|(name, password_hash)| AuthChange::AddUser { name, password_hash }),
        name().prop_map(|name| AuthChange::DeleteUser { name }),
        (name(), hash())
            .prop_map(|(name, password_hash)| AuthChange::SetPassword { name, password_hash }),
        (name(), name()).prop_map(|(user, role)| AuthChange::GrantRole { user, role }),
        (name(), name()).prop_map(|(user, role)| AuthChange::RevokeRole { user, role }),
        name().prop_map(|name| AuthChange::AddRole { name }),
        name().prop_map(|name| AuthChange::DeleteRole { name }),
        (name(), access, bytes(), bytes()).prop_map(|(role, access, key, range_end)| {
            let permission = Permission { access, key, range_end };
            AuthChange::GrantPermission { role, permission }
        }),
        (name(), bytes(), bytes()).prop_map(|(role, key, range_end)| {
            AuthChange::RevokePermission { role, key, range_end }
        }),
        (principal(), any::<[u8; 32]>())
            .prop_map(|(principal, token_hash)| AuthChange::LogIn { principal, token_hash }),
        (any::<u64>(), any::<[u8; 32]>())
            .prop_map(|(index, token_hash)| AuthChange::LogOut { index, token_hash }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        8 => anybodys(),
        1 => (principal(), anybodys()).prop_map(|(principal, command)| Command::As {
            principal,
            command: Box::new(command)
        }),
    ]
}

fn anybodys() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => auth_change().prop_map(Command::Auth),
        4 => change(),
        4 => (origin(), change()).prop_map(|(origin, command)| Command::Once {
            origin,
            command: Box::new(command)
        }),
        3 => txn().prop_map(Command::Txn),
        1 => (origin(), txn()).prop_map(|(origin, txn)| Command::Once {
            origin,
            command: Box::new(Command::Txn(txn))
        }),
        1 => expiry(),
        1 => (any::<u64>(), cause()).prop_map(|(number, cause)| {
            let revision = Revision(number);
            Command::Compact { revision, cause }
        }),
        1 => Just(Command::OpenSession),
        1 => any::<u64>().prop_map(|id| Command::CloseSession { session: SessionId(id) }),
        1 => Just(Command::Check),
        1 => (any::<Option<u64>>(), any::<Option<u64>>(), any::<bool>()).prop_map(
            |(history_age_ms, history_bytes, seed)| Command::ChangeSettings(SettingsChange {
                history_age_ms,
                history_bytes,
                seed,
            })
        ),
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
    let put = |prev_kv, condition| {
        let (key, value) = if prev_kv { ("name", "RaftKV") } else { ("a", "1") };
        Command::Put { put: Put { prev_kv, ..Put::new(key, value) }, condition }
    };
    let delete = |range, condition| Command::Delete { range, prev_kv: false, condition };
    let between = KeyRange::Between { start: "a".into(), end: "c".into() };
    let once = |origin| Command::Once { origin, command: Box::new(put(false, None)) };
    let session = Origin::Session { session: SessionId(7), seq: 2, acked_below: 2 };
    let txn = Txn {
        compares: vec![Compare {
            range: KeyRange::Single("a".into()),
            relation: Relation::Less,
            operand: Operand::Version(2),
        }],
        success: vec![TxnOp::Put(Put::new("a", "1"))],
        failure: vec![TxnOp::Range(RangeRequest {
            limit: Some(1),
            sort: Sort { by: SortBy::ModRevision, descending: true },
            ..RangeRequest::new(KeyRange::Prefix("b".into()))
        })],
    };
    let vectors: [(Command, &[u8]); 14] = [
        (put(true, None), b"\x0a\x10\x0a\x04name\x12\x06RaftKV\x18\x01"),
        (delete(between, None), b"\x12\x08\x22\x06\x0a\x01a\x12\x01c"),
        (put(false, Some(Condition::ABSENT)), b"\x0a\x0a\x0a\x01a\x12\x011\x22\x02\x08\x00"),
        (
            delete(KeyRange::Single("a".into()), Some(Condition::Exists)),
            b"\x12\x07\x0a\x01a\x32\x02\x12\x00",
        ),
        (Command::OpenSession, b"\x1a\x00"),
        (Command::CloseSession { session: SessionId(7) }, b"\x22\x02\x08\x07"),
        (
            once(session),
            b"\x2a\x12\x0a\x06\x08\x07\x10\x02\x18\x02\x1a\x08\x0a\x06\x0a\x01a\x12\x011",
        ),
        (once(Origin::Key("k".into())), b"\x2a\x0d\x12\x01k\x1a\x08\x0a\x06\x0a\x01a\x12\x011"),
        (Command::Check, b"\x32\x00"),
        (
            Command::Compact { revision: Revision(300), cause: CompactionCause::Asked },
            b"\x42\x03\x08\xac\x02",
        ),
        (
            Command::Compact { revision: Revision(300), cause: CompactionCause::Bytes },
            b"\x42\x05\x08\xac\x02\x10\x02",
        ),
        (
            Command::ChangeSettings(SettingsChange {
                history_age_ms: Some(0),
                history_bytes: Some(4096),
                seed: true,
            }),
            b"\x6a\x07\x08\x00\x10\x80\x20\x18\x01",
        ),
        (Command::DeleteRecord { record: "a/b".into() }, b"\x62\x05\x0a\x03a/b"),
        (
            Command::Txn(txn),
            b"\x3a\x20\x0a\x07\x0a\x01a\x28\x02\x30\x04\x12\x08\x0a\x06\x0a\x01a\x12\x011\
              \x1a\x0b\x1a\x09\x12\x01b\x28\x01\x48\x03\x50\x01",
        ),
    ];
    for (command, bytes) in vectors.into_iter().chain(lease_vectors()) {
        assert_eq!(command.encode()[..], *bytes, "{command:?}");
        assert_eq!(Command::decode(Bytes::from_static(bytes)), Ok(command));
    }
}

fn lease_vectors() -> Vec<(Command, &'static [u8])> {
    let put = |lifetime| Command::from(Put { lifetime, ..Put::new("a", "1") });
    let anew = Put { ignore_value: true, lifetime: PutLifetime::AsBefore, ..Put::new("a", "") };
    let lease = LeaseId(7);
    let expiry = Command::Expire {
        leases: vec![Grant { lease, index: 3 }],
        keys: vec![DueKey { key: "a".into(), mod_revision: Revision(5) }],
    };
    vec![
        (put(PutLifetime::Lease(lease)), b"\x0a\x08\x0a\x01a\x12\x011\x30\x0e"),
        (put(PutLifetime::TtlMs(500)), b"\x0a\x09\x0a\x01a\x12\x011\x38\xf4\x03"),
        (anew.into(), b"\x0a\x07\x0a\x01a\x28\x01\x42\x00"),
        (Command::LeaseGrant { lease, ttl_s: 60 }, b"\x4a\x04\x08\x0e\x10\x3c"),
        (Command::LeaseRevoke { lease }, b"\x52\x02\x08\x0e"),
        (expiry, b"\x5a\x0d\x0a\x04\x08\x0e\x10\x03\x12\x05\x0a\x01a\x10\x05"),
    ]
}

#[test]
fn what_is_said_of_users_is_encoded_as_published() {
    let principal = Principal { user: "u".into(), credentials: 2 };
    let permission =
        Permission { access: Access::ReadWrite, key: "a".into(), range_end: "b".into() };
    let grant = AuthChange::GrantPermission { role: "r".into(), permission };
    let revoke =
        AuthChange::RevokePermission { role: "r".into(), key: "a".into(), range_end: "".into() };
    let add = |password_hash| AuthChange::AddUser { name: "u".into(), password_hash };
    let log_in = AuthChange::LogIn { principal: principal.clone(), token_hash: [7; 32] };
    let check = Command::As { principal, command: Box::new(Command::Check) };
    let log_in_bytes = [&b"\x72\x2b\x62\x29\x0a\x05\x0a\x01u\x10\x02\x12\x20"[..], &[7; 32]];
    let log_out = AuthChange::LogOut { index: 9, token_hash: [7; 32] };
    let log_out_bytes = [&b"\x72\x26\x6a\x24\x08\x09\x12\x20"[..], &[7; 32]];
    let vectors: [(Command, Vec<u8>); 8] = [
        (Command::Auth(AuthChange::Enable), b"\x72\x02\x0a\x00".into()),
        (Command::Auth(add(None)), b"\x72\x05\x1a\x03\x0a\x01u".into()),
        (Command::Auth(add(Some("h".into()))), b"\x72\x08\x1a\x06\x0a\x01u\x12\x01h".into()),
        (Command::Auth(grant), b"\x72\x0d\x52\x0b\x0a\x01r\x12\x01a\x1a\x01b\x20\x02".into()),
        (Command::Auth(revoke), b"\x72\x08\x5a\x06\x0a\x01r\x12\x01a".into()),
        (Command::Auth(log_in), log_in_bytes.concat()),
        (Command::Auth(log_out), log_out_bytes.concat()),
        (check, b"\x7a\x0b\x0a\x05\x0a\x01u\x10\x02\x12\x02\x32\x00".into()),
    ];
    for (command, bytes) in vectors {
        assert_eq!(command.encode()[..], bytes, "{command:?}");
        assert_eq!(Command::decode(bytes.into()), Ok(command));
    }
}

#[test]
fn half_a_logout_is_none() {
    let log_out = AuthChange::LogOut { index: 9, token_hash: [7; 32] };
    let whole = Command::Auth(log_out).encode();
    for length in 0..whole.len() {
        assert!(Command::decode(whole.slice(..length)).is_err(), "{length} bytes");
    }
    let short = [&b"\x72\x25\x6a\x23\x08\x09\x12\x1f"[..], &[7; 31]].concat();
    let long = [&b"\x72\x27\x6a\x25\x08\x09\x12\x21"[..], &[7; 33]].concat();
    let without = b"\x72\x04\x6a\x02\x08\x09".to_vec();
    for bytes in [short, long, without] {
        assert_eq!(Command::decode(bytes.into()), Err(DecodeError::Malformed));
    }
    let more = [&b"\x72\x28\x6a\x26\x08\x09\x12\x20"[..], &[7; 32], b"\x18\x01"].concat();
    assert_eq!(Command::decode(more.into()), Err(DecodeError::UnknownField));
}

#[test]
fn nobody_acts_for_somebody_who_acts_for_somebody() {
    let as_somebody = |command| Command::As {
        principal: Principal { user: "u".into(), credentials: 2 },
        command: Box::new(command),
    };
    let twice = as_somebody(as_somebody(Command::Check));
    assert_eq!(Command::decode(twice.encode()), Err(DecodeError::Misplaced));
    assert_eq!(twice.validate(&Limits::default()), Err(CommandError::TooDeep));
    assert!(as_somebody(put(65_537, 0)).validate(&Limits::default()).is_err());
    assert!(as_somebody(put(1, 1)).grows());
}

#[test]
fn names_have_bounds() {
    let limits = Limits::default();
    let add = |bytes: usize| {
        Command::Auth(AuthChange::AddRole { name: "r".repeat(bytes).into() }).validate(&limits)
    };
    assert_eq!(add(0), Err(CommandError::WrongName));
    assert_eq!(add(256), Ok(()));
    assert_eq!(add(257), Err(CommandError::WrongName));
    let hash = Some("h".repeat(513).into());
    let long = AuthChange::SetPassword { name: "u".into(), password_hash: hash };
    assert_eq!(Command::Auth(long).validate(&limits), Err(CommandError::WrongName));
}

fn put(key_bytes: usize, value_bytes: usize) -> Command {
    Put::new(vec![b'k'; key_bytes], vec![b'v'; value_bytes]).into()
}

fn delete(range: KeyRange) -> Command {
    Command::Delete { range, prev_kv: false, condition: None }
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

#[test]
fn a_change_to_be_done_once_is_named_in_bounds() {
    let limits = Limits::default();
    let once = |origin, command: Command| {
        Command::Once { origin, command: Box::new(command) }.validate(&limits)
    };
    let key = |bytes: usize| Origin::Key(vec![b'k'; bytes].into());
    let numbered = |seq, acked_below| Origin::Session { session: SessionId(1), seq, acked_below };
    assert_eq!(once(key(1), put(1, 1)), Ok(()));
    assert_eq!(once(key(ONCE_KEY_BYTES_MAX), put(1, 1)), Ok(()));
    for bytes in [0, ONCE_KEY_BYTES_MAX + 1] {
        assert_eq!(once(key(bytes), put(1, 1)), Err(CommandError::WrongOnceKey { bytes }));
    }
    assert_eq!(once(numbered(1, 0), put(1, 1)), Ok(()));
    assert_eq!(once(numbered(5, 5), put(1, 1)), Ok(()));
    assert_eq!(once(numbered(0, 0), put(1, 1)), Err(CommandError::WrongSeq));
    assert_eq!(once(numbered(5, 6), put(1, 1)), Err(CommandError::WrongSeq));
    assert_eq!(once(key(1), Command::OpenSession), Err(CommandError::NotOnce));
    assert_eq!(once(key(1), put(0, 1)), Err(CommandError::EmptyKey));
}

#[test]
fn a_condition_is_of_one_key() {
    let delete =
        |range| Command::Delete { range, prev_kv: false, condition: Some(Condition::Exists) };
    let limits = Limits::default();
    assert_eq!(delete(KeyRange::Single("a".into())).validate(&limits), Ok(()));
    let prefix = delete(KeyRange::Prefix("a".into()));
    assert_eq!(prefix.validate(&limits), Err(CommandError::ConditionOnRange));
    assert_eq!(Command::decode(prefix.encode()), Err(DecodeError::Misplaced));
}

/// What a gateway says of a transaction in the text of golden scripts.
fn verdict(text: &str) -> Result<(), CommandError> {
    let txn = txn_text::read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    Command::Txn(txn).validate(&Limits::default())
}

#[test]
fn a_transaction_has_so_many_operations_and_those_within_share_them() {
    let ranges = |count: usize| "range a ; ".repeat(count);
    let compares = |count: usize| "version a = 0 and ".repeat(count);
    let most = TXN_OPERATIONS_MAX;
    let too_many = Err(CommandError::TooManyOperations);
    assert_eq!(verdict(&format!("if then {0} else {0}", ranges(most))), Ok(()));
    assert_eq!(verdict(&format!("if then {} else", ranges(most + 1))), too_many);
    assert_eq!(verdict(&format!("if then else {}", ranges(most + 1))), too_many);
    let compares = compares(most + 1).trim_end_matches("and ").to_owned();
    assert_eq!(verdict(&format!("if {compares} then else")), too_many);
    let nested = |outer, inner| {
        let inner = format!("( if then {} else )", ranges(inner));
        verdict(&format!("if then {} {inner} else", ranges(outer)))
    };
    assert_eq!(nested(27, 100), Ok(()), "28 of the outer one leave 100");
    assert_eq!(nested(27, 101), too_many);
}

#[test]
fn transactions_stand_within_each_other_only_so_deep() {
    let nested = |depth: usize| {
        let (before, after) = ("( if then ".repeat(depth - 1), " else )".repeat(depth - 1));
        verdict(&format!("if then {before} put a 1 {after} else"))
    };
    assert_eq!(nested(TXN_DEPTH_MAX), Ok(()));
    assert_eq!(nested(TXN_DEPTH_MAX + 1), Err(CommandError::TooDeep));
}

/// Deeper than any gateway lets in, and than any reader should follow.
#[test]
fn a_transaction_of_many_depths_is_refused_when_it_is_read() {
    let txn = (0..200).fold(Txn::default(), |inner, _| Txn {
        success: vec![TxnOp::Txn(inner)],
        ..Txn::default()
    });
    assert_eq!(Command::decode(Command::Txn(txn).encode()), Err(DecodeError::Malformed));
}

/// The store holds one version of a key a revision: in the log it would end every member.
#[test]
fn a_transaction_that_writes_a_key_twice_is_refused_when_it_is_read() {
    let txn = txn_text::read("if then ( if then put a 1 else ) ; put a 2 else").expect("readable");
    let twice = Command::Txn(txn);
    assert_eq!(Command::decode(twice.encode()), Err(DecodeError::DuplicateKey));
    let origin = Origin::Key("once".into());
    let once = Command::Once { origin, command: Box::new(twice) };
    assert_eq!(Command::decode(once.encode()), Err(DecodeError::DuplicateKey));
}

#[test]
fn a_transaction_writes_a_key_once() {
    let twice = Err(CommandError::DuplicateKey);
    assert_eq!(verdict("if then put a 1 ; put b 1 else put a 1 ; put b 1"), Ok(()));
    assert_eq!(verdict("if then put a 1 ; put a 2 else"), twice);
    assert_eq!(verdict("if then else put a 1 ; delete a.. "), twice);
    assert_eq!(verdict("if then delete a* ; put ab 1 else"), twice);
    assert_eq!(verdict("if then delete a..b ; put b 1 else"), Ok(()), "b is not in a..b");
    assert_eq!(verdict("if then delete a* ; delete a..c ; delete ab else"), Ok(()));
    assert_eq!(verdict("if then keep a ; put a 1 else"), twice);
    let within =
        |inner: &str, beside: &str| verdict(&format!("if then ( {inner} ) ; {beside} else"));
    assert_eq!(within("if then put a 1 else put a 2", "put b 1"), Ok(()), "one side alone is done");
    assert_eq!(within("if then put a 1 else delete a", "range a"), Ok(()));
    assert_eq!(within("if then put a 1 else", "put a 2"), twice);
    assert_eq!(within("if then else put a 1", "delete a*"), twice);
    assert_eq!(within("if then delete a* else", "put a 2"), twice);
    assert_eq!(within("if then put a 1 else", "( if then put a 2 else )"), twice);
    assert_eq!(within("if then put a 1 else", "( if then delete a else )"), twice);
}

#[test]
fn a_time_to_live_is_more_than_nothing_and_less_than_for_ever() {
    let verdict = |command: Command| command.validate(&Limits::default());
    let put = |ttl_ms| {
        let put = Put { lifetime: PutLifetime::TtlMs(ttl_ms), ..Put::new("a", "1") };
        verdict(put.into())
    };
    let grant = |ttl_s| verdict(Command::LeaseGrant { lease: LeaseId(7), ttl_s });
    for fits in [put(1), put(TTL_MS_MAX), grant(1), grant(TTL_S_MAX)] {
        assert_eq!(fits, Ok(()));
    }
    for odd in [put(0), put(TTL_MS_MAX + 1), put(u64::MAX), grant(0), grant(TTL_S_MAX + 1)] {
        assert_eq!(odd, Err(CommandError::WrongTtl));
    }
    let within = Put { lifetime: PutLifetime::TtlMs(0), ..Put::new("a", "1") };
    let txn = Txn { failure: vec![TxnOp::Put(within)], ..Txn::default() };
    assert_eq!(verdict(Command::Txn(txn)), Err(CommandError::WrongTtl));
}

#[test]
fn an_expiry_names_a_bounded_number() {
    let lease = Grant { lease: LeaseId(7), index: 1 };
    let key = DueKey { key: "a".into(), mod_revision: Revision(2) };
    let verdict = |leases: usize, keys: usize| {
        let (leases, keys) = (vec![lease; leases], vec![key.clone(); keys]);
        Command::Expire { leases, keys }.validate(&Limits::default())
    };
    assert_eq!(verdict(EXPIRED_MAX, EXPIRED_MAX), Ok(()));
    assert_eq!(verdict(EXPIRED_MAX + 1, 0), Err(CommandError::TooManyExpired));
    assert_eq!(verdict(0, EXPIRED_MAX + 1), Err(CommandError::TooManyExpired));
}

/// What no client asks for, or does not change anything, is not done under a name.
#[test]
fn only_a_change_is_done_once() {
    let once =
        |command| Command::Once { origin: Origin::Key("n".into()), command: Box::new(command) };
    let expiry = Command::Expire { leases: Vec::new(), keys: Vec::new() };
    for odd in [expiry, Command::Check, Command::OpenSession, once(put(1, 1))] {
        assert_eq!(Command::decode(once(odd).encode()), Err(DecodeError::Misplaced));
    }
    let grant = once(Command::LeaseGrant { lease: LeaseId(7), ttl_s: 5 });
    assert_eq!(Command::decode(grant.encode()), Ok(grant));
}

#[test]
fn a_put_that_keeps_the_value_gives_none() {
    let put = Put { ignore_value: true, ..Put::new("a", "1") };
    assert_eq!(
        Command::from(put.clone()).validate(&Limits::default()),
        Err(CommandError::ValueGiven)
    );
    let txn = Txn { success: vec![TxnOp::Put(put)], ..Txn::default() };
    assert_eq!(txn.validate(&Limits::default()), Err(CommandError::ValueGiven));
    let empty = TxnOp::Range(RangeRequest::new(KeyRange::Single(Bytes::new())));
    let txn = Txn { failure: vec![empty], ..Txn::default() };
    assert_eq!(txn.validate(&Limits::default()), Err(CommandError::EmptyKey));
}

#[test]
fn whatever_may_put_grows_and_nothing_else_does() {
    let range = KeyRange::Single("k".into());
    let put = Put::new("k", "v");
    let delete = TxnOp::Delete { range: range.clone(), prev_kv: false };
    let within = |op| TxnOp::Txn(Txn { failure: vec![op], ..Txn::default() });
    let txn = |op| Command::Txn(Txn { success: vec![op], ..Txn::default() });
    let once =
        |command| Command::Once { origin: Origin::Key("n".into()), command: Box::new(command) };
    for grows in [
        put.clone().into(),
        Command::LeaseGrant { lease: LeaseId::NONE, ttl_s: 1 },
        txn(TxnOp::Put(put.clone())),
        once(txn(within(TxnOp::Put(put)))),
    ] {
        assert!(grows.grows(), "{grows:?}");
    }
    for stays in [
        Command::Delete { range, prev_kv: false, condition: None },
        once(txn(within(delete))),
        once(Command::DeleteRecord { record: "k".into() }),
        Command::LeaseRevoke { lease: LeaseId(1) },
        Command::Expire { leases: Vec::new(), keys: Vec::new() },
        Command::OpenSession,
        Command::CloseSession { session: SessionId(1) },
        Command::Check,
    ] {
        assert!(!stays.grows(), "{stays:?}");
    }
}

//! Payloads of the log: commands of the store, and configurations.
//!
//! The first byte chooses: a configuration, or a few commands. The commands that are understood,
//! and that a gateway would let in, are applied to two stores, of which one works in tiny turns:
//! both must come to the same state, whatever the bytes.

use bytes::Bytes;
use raft::MemberId;
use replica::{Configuration, Draining, FEATURE_LEVEL, Member, Standing};
use store::{
    Access, Apply, AuthChange, Budget, COMMAND_LEVEL_MAX, Command, CompactionCause, Compare,
    Condition, DueKey, Filter, Grant, KeyRange, LeaseId, Limits, LogEntry, Operand, Origin,
    Outcome, Permission, Principal, Put, PutLifetime, RangeRequest, Relation, Revision, SessionId,
    SettingsChange, Sort, SortBy, Store, Txn, TxnOp,
};

use crate::Verdict;
use crate::input::Input;

/// At most so many commands an input.
const COMMANDS_MAX: usize = 32;

pub(crate) fn run(bytes: &[u8]) -> Verdict {
    let mut input = Input::new(bytes);
    match input.below(2) {
        0 => configuration(Bytes::copy_from_slice(input.rest())),
        _ => commands(&mut input),
    }
}

fn configuration(bytes: Bytes) -> Verdict {
    let Ok(configuration) = Configuration::decode(bytes) else { return Verdict::Refused };
    let again = Configuration::decode(configuration.encode());
    assert_eq!(again, Ok(configuration), "written anew it is another one");
    Verdict::Accepted
}

fn commands(input: &mut Input<'_>) -> Verdict {
    let mut understood = Vec::new();
    while !input.is_empty() && understood.len() < COMMANDS_MAX {
        let length = input.below(65_536);
        let bytes = Bytes::copy_from_slice(input.take(length));
        if let Ok(command) = Command::decode(bytes.clone()) {
            assert_eq!(Command::decode(command.encode()), Ok(command.clone()), "written anew");
            assert!(command.feature_level() <= COMMAND_LEVEL_MAX, "the guard would pass it over");
            if command.validate(&Limits::default()).is_ok() {
                understood.push(bytes);
            }
        }
    }
    apply_to_two_stores(&understood);
    if understood.is_empty() { Verdict::Refused } else { Verdict::Accepted }
}

fn apply_to_two_stores(commands: &[Bytes]) {
    let (mut whole, mut in_turns) = (Store::new(), Store::new());
    for (command, index) in commands.iter().zip(1..) {
        let command = Some(command.clone());
        let entry = LogEntry { index, term: 1, stamp_ms: index * 7, age_ms: index * 500, command };
        let outcome = apply(&mut whole, &entry, u64::MAX);
        assert_eq!(apply(&mut in_turns, &entry, 1), outcome, "entry {index}");
    }
    assert_eq!(whole.state_hash(), in_turns.state_hash());
    assert_eq!(whole.revision(), in_turns.revision());
}

/// Applies an entry in turns of so many units.
fn apply(store: &mut Store, entry: &LogEntry, units: u64) -> Outcome {
    loop {
        match store.apply(entry, &mut Budget::new(units)) {
            Ok(Apply::Done(outcome)) => return outcome,
            Ok(Apply::Unfinished) => {}
            Err(refused) => panic!("it was understood, and yet: {refused}"),
        }
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let each = samples().into_iter().map(|command| commands_seed(&[command]));
    let all = commands_seed(&samples());
    let configuration = [&[0], &configuration_sample().encode()[..]].concat();
    each.chain([all, configuration]).collect()
}

fn commands_seed(commands: &[Command]) -> Vec<u8> {
    let mut seed = vec![1];
    for command in commands {
        let bytes = command.encode();
        seed.extend((bytes.len() as u16).to_le_bytes());
        seed.extend(bytes);
    }
    seed
}

/// A command of every kind.
fn samples() -> Vec<Command> {
    let put = |key: &'static str, value: &'static str| {
        Command::from(Put { prev_kv: true, ..Put::new(key, value) })
    };
    let ranges = [
        KeyRange::Single("ab".into()),
        KeyRange::Prefix("a".into()),
        KeyRange::From("b".into()),
        KeyRange::Between { start: "a".into(), end: "c".into() },
    ];
    let delete = |range| Command::Delete { range, prev_kv: true, condition: None };
    let once = |origin| Command::Once { origin, command: Box::new(put("a", "4")) };
    let session = SessionId(1);
    let unless_there = Command::Put { put: Put::new("c", "5"), condition: Some(Condition::ABSENT) };
    // The session first: alone or with the others, its entry is the first one.
    let others = [
        Command::OpenSession,
        put("a", "1"),
        put("ab", "2"),
        put("b", ""),
        put("a", "3"),
        unless_there,
        once(Origin::Session { session, seq: 1, acked_below: 1 }),
        once(Origin::Key("key".into())),
        Command::DeleteRecord { record: "a".into() },
        Command::Txn(txn_sample()),
        Command::Once {
            origin: Origin::Key("txn".into()),
            command: Box::new(Command::Txn(txn_sample())),
        },
        Command::LeaseGrant { lease: LeaseId::NONE, ttl_s: 2 },
        Command::LeaseGrant { lease: LeaseId(9), ttl_s: 60 },
        Put { lifetime: PutLifetime::Lease(LeaseId(9)), ..Put::new("f", "8") }.into(),
        Put { lifetime: PutLifetime::TtlMs(1), ..Put::new("g", "9") }.into(),
        Put { lifetime: PutLifetime::AsBefore, ignore_value: true, ..Put::new("g", "") }.into(),
        Command::Txn(lifetimes_sample()),
        Command::Once {
            origin: Origin::Key("lease".into()),
            command: Box::new(Command::LeaseRevoke { lease: LeaseId(11) }),
        },
        expiry_sample(),
        Command::LeaseRevoke { lease: LeaseId(9) },
        Command::Compact { revision: Revision(4), cause: CompactionCause::Asked },
        Command::ChangeSettings(SettingsChange {
            history_age_ms: Some(5),
            history_bytes: Some(1 << 20),
            seed: true,
        }),
        Command::Check,
        Command::CloseSession { session },
        Command::Auth(AuthChange::AddUser { name: "u".into(), password_hash: Some("h".into()) }),
        Command::Auth(permission_sample()),
        Command::Auth(AuthChange::LogOut { index: 1, token_hash: [7; 32] }),
        Command::As {
            principal: Principal { user: "u".into(), credentials: 2 },
            command: Box::new(put("a", "1")),
        },
    ];
    others.into_iter().chain(ranges.map(delete)).collect()
}

fn permission_sample() -> AuthChange {
    let permission =
        Permission { access: Access::ReadWrite, key: "a".into(), range_end: "b".into() };
    AuthChange::GrantPermission { role: "r".into(), permission }
}

/// A transaction with one of each that it may hold.
fn txn_sample() -> Txn {
    let put = |key: &'static str, ignore_value| {
        let value = if ignore_value { "" } else { "6" };
        TxnOp::Put(Put { prev_kv: true, ignore_value, ..Put::new(key, value) })
    };
    let prefix = KeyRange::Prefix("a".into());
    let compare = |relation, operand| Compare { range: prefix.clone(), relation, operand };
    let range = RangeRequest {
        limit: Some(2),
        at: Some(Revision(2)),
        sort: Sort { by: SortBy::Value, descending: true },
        filter: Filter { min_mod_revision: Revision(1), ..Filter::default() },
        ..RangeRequest::new(KeyRange::all())
    };
    let inner = Txn {
        compares: vec![compare(Relation::NotEqual, Operand::Value("7".into()))],
        success: vec![put("d", false)],
        failure: vec![TxnOp::Delete { range: prefix.clone(), prev_kv: true }],
    };
    Txn {
        compares: vec![
            compare(Relation::Less, Operand::Version(9)),
            compare(Relation::Greater, Operand::ModRevision(-1)),
            compare(Relation::Equal, Operand::Lease(0)),
        ],
        success: vec![put("b", true), TxnOp::Txn(inner), TxnOp::Range(range)],
        failure: vec![put("e", false)],
    }
}

/// A transaction whose puts say how long their keys live.
fn lifetimes_sample() -> Txn {
    let put = |key: &'static str, lifetime| TxnOp::Put(Put { lifetime, ..Put::new(key, "10") });
    Txn {
        compares: Vec::new(),
        success: vec![
            put("f", PutLifetime::AsBefore),
            put("g", PutLifetime::Lease(LeaseId(9))),
            put("h", PutLifetime::TtlMs(5)),
        ],
        failure: vec![put("f", PutLifetime::Unbounded)],
    }
}

/// Some of what it names is there, if all samples come one after the other.
fn expiry_sample() -> Command {
    let lease = |lease, index| Grant { lease: LeaseId(lease), index };
    let key =
        |key: &'static str, revision| DueKey { key: key.into(), mod_revision: Revision(revision) };
    Command::Expire {
        leases: vec![lease(9, 12), lease(11, 11)],
        keys: vec![key("h", 13), key("g", 12), key("z", 1)],
    }
}

fn configuration_sample() -> Configuration {
    let standings = [Standing::Voter, Standing::Learner, Standing::Joining, Standing::Leaving];
    let member = |(id, standing): (u64, Standing)| {
        let member = Member {
            incarnation: u128::from(id) << 70,
            name: format!("member-{id}"),
            address: format!("10.0.0.{id}:2379"),
            standing,
            client_urls: (1..id).map(|number| format!("http://10.0.0.{number}:2379")).collect(),
            stays_learner: standing == Standing::Learner,
            draining: (id == 1).then_some(Draining { life: 1 << 60, until_age_ms: 600_000 }),
        };
        (MemberId(id), member)
    };
    let members = (1..).zip(standings).map(member).collect();
    let (cluster_id, removed) = (0xfeed << 100, vec![MemberId(9), MemberId(8)]);
    Configuration { cluster_id, members, removed, feature_level: FEATURE_LEVEL }
}

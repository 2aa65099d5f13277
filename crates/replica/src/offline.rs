//! What a member's log holds, in words.

use raft::{Entry, EntryKind, MemberId};
use store::{
    AuthChange, Command, Condition, KeyRange, Origin, Permission, PutLifetime, SettingsChange,
};

use crate::configuration::{Configuration, Member, Standing};
use crate::entry;

/// Longest key or value that is shown whole, in bytes.
const SHOWN_BYTES_MAX: usize = 256;

/// An entry in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// `noop`, `command`, `configuration`, or `unknown`.
    pub kind: &'static str,
    /// What it says, field by field.
    pub fields: Vec<(&'static str, String)>,
}

/// Says what an entry of the log holds. What can not be understood is said to be so.
pub fn explain(entry: &wal::Entry) -> Explained {
    match entry::from_log(entry) {
        Err(unknown) => {
            Explained { kind: "unknown", fields: vec![("number", unknown.0.to_string())] }
        }
        Ok(Entry { kind: EntryKind::Noop, .. }) => Explained { kind: "noop", fields: Vec::new() },
        Ok(Entry { kind: EntryKind::Command, payload, .. }) => {
            let fields = match Command::decode(payload) {
                Ok(command) => command_fields(&command),
                Err(error) => vec![("unreadable", error.to_string())],
            };
            Explained { kind: "command", fields }
        }
        Ok(Entry { kind: EntryKind::Configuration, payload, .. }) => {
            let fields = match Configuration::decode(payload) {
                Ok(configuration) => configuration_fields(&configuration),
                Err(error) => vec![("unreadable", error.to_string())],
            };
            Explained { kind: "configuration", fields }
        }
    }
}

fn command_fields(command: &Command) -> Vec<(&'static str, String)> {
    match command {
        Command::Put { put, condition } => {
            let mut fields = vec![("do", "put".to_owned()), ("key", shown(&put.key))];
            if !put.ignore_value {
                fields.push(("value", shown(&put.value)));
            }
            fields.extend(lifetime_field(put.lifetime));
            fields.extend(condition.map(condition_field));
            fields
        }
        Command::Delete { range, condition, .. } => {
            let mut fields = vec![("do", "delete".to_owned())];
            fields.extend(range_fields(range));
            fields.extend(condition.map(condition_field));
            fields
        }
        Command::DeleteRecord { record } => {
            vec![("do", "delete_record".to_owned()), ("record", shown(record))]
        }
        Command::Txn(txn) => vec![
            ("do", "txn".to_owned()),
            ("compares", txn.compares.len().to_string()),
            ("success", txn.success.len().to_string()),
            ("failure", txn.failure.len().to_string()),
        ],
        Command::Compact { revision, cause } => vec![
            ("do", "compact".to_owned()),
            ("revision", revision.0.to_string()),
            ("for", cause.as_str().to_owned()),
        ],
        Command::ChangeSettings(change) => settings_fields(change),
        Command::LeaseGrant { lease, ttl_s } => vec![
            ("do", "lease_grant".to_owned()),
            ("lease", lease.to_string()),
            ("ttl_s", ttl_s.to_string()),
        ],
        Command::LeaseRevoke { lease } => {
            vec![("do", "lease_revoke".to_owned()), ("lease", lease.to_string())]
        }
        Command::Expire { leases, keys } => {
            let leases: Vec<String> = leases.iter().map(|grant| grant.lease.to_string()).collect();
            vec![
                ("do", "expire".to_owned()),
                ("leases", leases.join(" ")),
                ("keys", keys.len().to_string()),
            ]
        }
        Command::OpenSession => vec![("do", "open_session".to_owned())],
        Command::CloseSession { session } => {
            vec![("do", "close_session".to_owned()), ("session", session.0.to_string())]
        }
        Command::Once { origin, command } => {
            let mut fields = command_fields(command);
            fields.extend(origin_fields(origin));
            fields
        }
        Command::Check => vec![("do", "check".to_owned())],
        Command::Auth(change) => auth_fields(change),
        Command::As { principal, command } => {
            let mut fields = command_fields(command);
            fields.push(("user", principal.user.to_string()));
            fields
        }
    }
}

fn origin_fields(origin: &Origin) -> Vec<(&'static str, String)> {
    match origin {
        Origin::Session { session, seq, .. } => {
            vec![("session", session.0.to_string()), ("seq", seq.to_string())]
        }
        Origin::Key(key) => vec![("idempotency_key", shown(key))],
    }
}

/// What a change of who may do what names; no secret, and nothing that was made of one.
fn auth_fields(change: &AuthChange) -> Vec<(&'static str, String)> {
    let named = |what, name: &str| vec![("do", String::from(what)), ("name", name.to_owned())];
    let pair = |what, user: &str, role: &str| {
        vec![("do", String::from(what)), ("user", user.to_owned()), ("role", role.to_owned())]
    };
    let ranged = |what, role: &str, key: &[u8], range_end: &[u8]| {
        let mut fields = vec![("do", String::from(what)), ("role", role.to_owned())];
        fields.extend([("key", shown(key)), ("range_end", shown(range_end))]);
        fields
    };
    match change {
        AuthChange::Enable => vec![("do", "auth_enable".to_owned())],
        AuthChange::Disable => vec![("do", "auth_disable".to_owned())],
        AuthChange::AddUser { name, .. } => named("user_add", name),
        AuthChange::DeleteUser { name } => named("user_delete", name),
        AuthChange::SetPassword { name, .. } => named("user_password", name),
        AuthChange::GrantRole { user, role } => pair("user_grant", user, role),
        AuthChange::RevokeRole { user, role } => pair("user_revoke", user, role),
        AuthChange::AddRole { name } => named("role_add", name),
        AuthChange::DeleteRole { name } => named("role_delete", name),
        AuthChange::GrantPermission { role, permission } => {
            let Permission { access, key, range_end } = permission;
            let mut fields = ranged("role_grant", role, key, range_end);
            fields.push(("access", format!("{access:?}")));
            fields
        }
        AuthChange::RevokePermission { role, key, range_end } => {
            ranged("role_revoke", role, key, range_end)
        }
        AuthChange::LogIn { principal, .. } => named("log_in", &principal.user),
        AuthChange::LogOut { index, .. } => {
            vec![("do", "log_out".to_owned()), ("login", index.to_string())]
        }
    }
}

/// What a change of the settings names.
fn settings_fields(change: &SettingsChange) -> Vec<(&'static str, String)> {
    let SettingsChange { history_age_ms, history_bytes, seed } = change;
    let named = [("history_age_ms", history_age_ms), ("history_bytes", history_bytes)];
    let set =
        |(name, value): (&'static str, &Option<u64>)| Some((name, value.as_ref()?.to_string()));
    let mut fields = vec![("do", "change_settings".to_owned())];
    fields.extend(named.into_iter().filter_map(set));
    fields.push(("seed", seed.to_string()));
    fields
}

fn lifetime_field(lifetime: PutLifetime) -> Option<(&'static str, String)> {
    match lifetime {
        PutLifetime::Unbounded => None,
        PutLifetime::Lease(lease) => Some(("lease", lease.to_string())),
        PutLifetime::TtlMs(ttl_ms) => Some(("ttl_ms", ttl_ms.to_string())),
        PutLifetime::AsBefore => Some(("lifetime", "as before".to_owned())),
    }
}

fn condition_field(condition: Condition) -> (&'static str, String) {
    let text = match condition {
        Condition::ModRevision(revision) => format!("mod_revision = {}", revision.0),
        Condition::Exists => "exists".to_owned(),
    };
    ("if", text)
}

fn range_fields(range: &KeyRange) -> Vec<(&'static str, String)> {
    match range {
        KeyRange::Single(key) => vec![("key", shown(key))],
        KeyRange::Prefix(prefix) => vec![("prefix", shown(prefix))],
        KeyRange::From(from) => vec![("from", shown(from))],
        KeyRange::Between { start, end } => vec![("from", shown(start)), ("to", shown(end))],
    }
}

fn configuration_fields(configuration: &Configuration) -> Vec<(&'static str, String)> {
    let member = |(id, member): (&MemberId, &Member)| {
        let standing = match member.standing {
            Standing::Voter => "voter",
            Standing::Learner => "learner",
            Standing::Joining => "joining",
            Standing::Leaving => "leaving",
        };
        format!("{} {id} at {}, {standing}", member.name, member.address)
    };
    let members: Vec<String> = configuration.members.iter().map(member).collect();
    let cluster_id = format!("{:032x}", configuration.cluster_id);
    vec![("cluster_id", cluster_id), ("members", members.join("; "))]
}

fn shown(bytes: &[u8]) -> String {
    let (start, rest) = bytes.split_at(bytes.len().min(SHOWN_BYTES_MAX));
    let text = start.escape_ascii().to_string();
    if rest.is_empty() { text } else { format!("{text}… ({} bytes)", bytes.len()) }
}

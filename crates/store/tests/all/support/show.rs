//! What golden scripts are answered, as text.

use bytes::Bytes;
use store::{
    EventKind, EventPosition, Events, Fields, FirstAnswer, FirstOutcome, History, KeyValue, Lease,
    Lifetime, Outcome, Published, RangeResponse, Refused, Settings, TxnResponse, TxnResult,
};

pub(crate) fn show_range(response: &RangeResponse) -> String {
    let items: String = response.items.iter().map(show).collect();
    let more = if response.more { ", more" } else { "" };
    format!("{items}at {}: {} in all{more}\n", response.revision, response.count)
}

pub(crate) fn show_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Nothing => "nothing\n".into(),
        Outcome::Put { revision, prev } => {
            let prev = prev.as_ref().map(|prev| format!("before: {}", show(prev)));
            format!("put at {revision}\n{}", prev.unwrap_or_default())
        }
        Outcome::Deleted { revision, count, prev } => {
            let prev: String = prev.iter().map(|prev| format!("before: {}", show(prev))).collect();
            format!("deleted {count} at {revision}\n{prev}")
        }
        Outcome::Conflict { revision, current } => {
            let current = current.as_ref().map_or("not there\n".into(), show);
            format!("conflict at {revision}: {current}")
        }
        Outcome::Txn(response) => show_txn(response),
        Outcome::Refused { revision, reason } => match reason {
            Refused::KeyNotFound => format!("refused at {revision}: key not found\n"),
            Refused::LeaseNotFound => format!("refused at {revision}: lease not found\n"),
            Refused::LeaseExists => format!("refused at {revision}: lease exists\n"),
            Refused::Unreadable(error) => format!("refused at {revision}: {error}\n"),
            Refused::Auth(refused) => format!("refused at {revision}: {refused}\n"),
        },
        Outcome::Compacted { revision, compact_revision } => {
            format!("compacted to {compact_revision} at {revision}\n")
        }
        Outcome::LeaseGranted { revision, lease, ttl_s } => {
            format!("lease {lease} granted for {ttl_s} s, at {revision}\n")
        }
        Outcome::LeaseRevoked { revision, count } => {
            format!("revoked at {revision}, with {count} keys\n")
        }
        Outcome::Expired { revision, leases, keys } => {
            format!("expired at {revision}: {leases} leases, {keys} keys\n")
        }
        Outcome::SessionOpened { session } => format!("session {session} is open\n"),
        Outcome::SessionClosed { existed } => {
            format!("session {}\n", if *existed { "closed" } else { "was not there" })
        }
        Outcome::Repeated(first) => show_first(first),
        Outcome::SessionExpired => "session expired\n".into(),
        Outcome::Stale => "stale: the answer was acknowledged\n".into(),
        Outcome::KeyReused => "the key was used for another change\n".into(),
        Outcome::TableFull => "table full\n".into(),
        Outcome::SettingsChanged { settings } => {
            let Settings { history_age_ms, history_bytes, changed_index } = settings;
            let by = format!("changed by entry {changed_index}");
            format!("history of {history_age_ms} ms, {history_bytes} bytes; {by}\n")
        }
        Outcome::AuthChanged { revision } => format!("changed at {revision}\n"),
        Outcome::LoggedIn { revision, index } => format!("login {index} at {revision}\n"),
        Outcome::Checked { state_hash } => format!("hash {state_hash:016x}\n"),
    }
}

pub(crate) fn show_events(events: &Events) -> String {
    let shown = events.events.iter().map(|event| {
        let kind = match &event.kind {
            EventKind::Put(live) => format!("put {}", show(live)),
            EventKind::Delete { key } => format!("delete {}\n", key.escape_ascii()),
        };
        let prev = event.prev.as_ref().map(|prev| format!("  before: {}", show(prev)));
        format!("{} ({} ms): {kind}{}", event.revision, event.stamp_ms, prev.unwrap_or_default())
    });
    let EventPosition { revision, offset } = events.next;
    let next = if offset > 0 { format!("{revision}, skip {offset}") } else { revision.to_string() };
    format!("{}next from {next}; newest {}\n", shown.collect::<String>(), events.newest)
}

pub(crate) fn show_history(history: &History) -> String {
    let shown = history.versions.iter().map(|version| {
        let time = version.stamp_ms.map_or("time unknown".into(), |ms| format!("{ms} ms"));
        let left = version.live.as_ref().map_or("removed\n".into(), show);
        format!("{} ({time}): {left}", version.revision)
    });
    let more = if history.more { ", more" } else { "" };
    let History { revision, oldest, .. } = history;
    format!("{}at {revision}, oldest {oldest}{more}\n", shown.collect::<String>())
}

pub(crate) fn show_txn(response: &TxnResponse) -> String {
    let TxnResponse { revision, succeeded, results } = response;
    format!("{} at {revision}\n{}", branch(*succeeded), show_results(results))
}

fn branch(succeeded: bool) -> &'static str {
    if succeeded { "then" } else { "else" }
}

pub(crate) fn show_results(results: &[TxnResult]) -> String {
    let shown = results.iter().map(|result| match result {
        TxnResult::Put { prev } => {
            let prev = prev.as_ref().map(|prev| format!("before: {}", show(prev)));
            format!("put\n{}", prev.unwrap_or_default())
        }
        TxnResult::Deleted { count, prev } => {
            let prev: String = prev.iter().map(|prev| format!("before: {}", show(prev))).collect();
            format!("deleted {count}\n{prev}")
        }
        TxnResult::Range(response) => show_range(response),
        TxnResult::Txn { succeeded, results } => {
            format!("{}\n{}", branch(*succeeded), show_results(results))
        }
    });
    let lines: String = shown.collect();
    lines.lines().map(|line| format!("  {line}\n")).collect()
}

pub(crate) fn show_first(first: &FirstAnswer) -> String {
    let outcome = match &first.outcome {
        FirstOutcome::Kept(outcome) => show_outcome(outcome),
        FirstOutcome::Done { revision } => format!("done at {revision}\n"),
        FirstOutcome::TxnDone { revision, succeeded } => {
            format!("{} done at {revision}\n", branch(*succeeded))
        }
        FirstOutcome::Conflict { revision } => format!("conflict at {revision}\n"),
    };
    format!("as entry {} answered: {outcome}", first.index)
}

pub(crate) fn show_fields(read: &Fields) -> String {
    let shown = |name: &Bytes| format!("{}", name.escape_ascii());
    let lines =
        read.fields.iter().map(|field| format!("{}: {}", shown(&field.name), show(&field.item)));
    let next = read.next.as_ref().map(|next| format!("next from {}\n", shown(next)));
    lines.chain(next).collect()
}

pub(crate) fn show(found: &KeyValue) -> String {
    let KeyValue { key, value, create_revision, mod_revision, version, lifetime } = found;
    let lifetime = match lifetime {
        Lifetime::Unbounded => String::new(),
        Lifetime::Lease(lease) => format!(", lease {lease}"),
        Lifetime::Until { age_ms } => format!(", until {age_ms} ms"),
    };
    let (key, value) = (key.escape_ascii(), value.escape_ascii());
    let revisions = format!("created {create_revision}, modified {mod_revision}");
    format!("{key} = \"{value}\" ({revisions}, version {version}{lifetime})\n")
}

pub(crate) fn show_lease(lease: &Lease) -> String {
    let keys: Vec<String> = lease.keys().map(|key| key.escape_ascii().to_string()).collect();
    let (id, ttl_s, index) = (lease.id(), lease.ttl_s(), lease.grant().index);
    format!("lease {id}: {ttl_s} s, granted by entry {index}, keys [{}]\n", keys.join(" "))
}

/// What readers see in numbers.
pub(crate) fn show_published(published: &Published) -> String {
    let leases = match (published.leases, published.ttl_keys) {
        (0, 0) => String::new(),
        (leases, keys) => format!(" leases {leases} ttl {keys}"),
    };
    let once = match (published.sessions, published.once_keys) {
        (0, 0) => String::new(),
        (sessions, keys) => format!(" sessions {sessions} changes {keys}"),
    };
    format!(
        "index {} term {} stamp {} age {} revision {} compacted {} \
         keys {} bytes {}{}{} hash {:016x}\n",
        published.applied_index,
        published.applied_term,
        published.stamp_ms,
        published.age_ms,
        published.revision,
        published.compact_revision,
        published.keys,
        published.live_bytes,
        leases,
        once,
        published.state_hash,
    )
}

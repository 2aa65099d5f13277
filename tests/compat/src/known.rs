//! The differences that are meant. Each has a name, and `docs/etcd.md` says why under that name;
//! a test sees that it does.

use crate::ask::Answer;

/// A difference that is meant.
struct Known {
    /// Its name in `docs/etcd.md`.
    name: &'static str,
    /// Whether this is it: the request, what etcd says, what raftkv says.
    is: fn(&str, &Answer, &Answer) -> bool,
}

const KNOWN: &[Known] = &[
    Known {
        name: "invalid-sort",
        is: |request, theirs, ours| {
            let unknown = request.contains("sort_order: 9");
            unknown && theirs.is_ok() && says(ours, "etcdserver: invalid sort option")
        },
    },
    Known {
        name: "first-fault",
        is: |request, theirs, ours| {
            let faults =
                ["key not found", "is a future revision", "has been compacted", "lease not found"];
            let one_of = |answer| faults.iter().any(|fault| says(answer, fault));
            request.starts_with("Txn") && one_of(theirs) && one_of(ours)
        },
    },
    Known {
        name: "compact-zero",
        is: |request, theirs, ours| {
            let asked = request.starts_with("Compact(") && request.contains("{ revision: 0,");
            asked && says(theirs, "has been compacted") && ours.is_ok()
        },
    },
    Known {
        name: "tombstone-at-compaction",
        is: |request, theirs, ours| {
            // One event more, the removal at the very revision that was compacted.
            let (Ok(theirs), Ok(ours)) = (theirs, ours) else { return false };
            let removed =
                |line: &&str| line.contains("Delete") && line.contains("mod_revision: 20,");
            request.contains("start_revision: 20")
                && ours.lines().filter(removed).count() == 1
                && ours.lines().filter(|line| !removed(line)).eq(theirs.lines())
        },
    },
    Known {
        name: "negative-start",
        is: |request, _, ours| {
            let refused = |told: &String| told.contains("required revision has been compacted");
            request.contains("start_revision: -1") && ours.as_ref().is_ok_and(refused)
        },
    },
    Known {
        name: "progress-of-the-future",
        is: |request, theirs, ours| {
            // A progress of the stream, and nothing else, is only etcd's.
            let progress = |told: &String| told.contains("watch_id: -1");
            request.contains("start_revision: 1099511627776")
                && theirs.as_ref().is_ok_and(progress)
                && !ours.as_ref().is_ok_and(progress)
        },
    },
    Known {
        name: "left-open",
        is: |request, theirs, ours| {
            let calls = ["KeepAlive(", "Leases(", "TimeToLive(", "MemberList(", "Alarm("];
            let changes = ["Grant(", "Revoke(", "Compact("];
            let is_of_them = calls.iter().chain(&changes).any(|call| request.contains(call));
            is_of_them && !is_denied(theirs) && is_denied(ours)
        },
    },
    Known {
        name: "denied-watch-id",
        is: |request, theirs, ours| {
            let (Ok(theirs), Ok(ours)) = (theirs, ours) else { return false };
            let denied = "desc = etcdserver: permission denied";
            let as_ours = theirs.replace("watch_id: 0,", "watch_id: -1,").replace("0: [", "-1: [");
            request.contains("Watching") && ours.contains(denied) && as_ours == *ours
        },
    },
    Known {
        name: "denied-maintenance",
        is: |request, theirs, ours| {
            let calls = ["HashKv(", "Defragment("];
            let is_of_them = calls.iter().any(|call| request.contains(call));
            is_of_them && says(theirs, "Unknown: auth: ") && is_denied(ours)
        },
    },
    Known {
        name: "hash-revision",
        is: |request, theirs, ours| {
            // etcd 3.5 has no such field yet.
            let without = |answer: &str| {
                let (before, after) = answer.split_once("hash_revision: ")?;
                Some((
                    before.to_owned(),
                    after.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned(),
                ))
            };
            let (Ok(theirs), Ok(ours)) = (theirs, ours) else { return false };
            request.contains("HashKv(") && without(theirs) == without(ours)
        },
    },
];

/// Whether it was refused for who asked.
fn is_denied(answer: &Answer) -> bool {
    ["user name is empty", "invalid auth token", "permission denied"]
        .iter()
        .any(|text| says(answer, &format!("etcdserver: {text}")))
}

fn says(answer: &Answer, text: &str) -> bool {
    answer.as_ref().err().is_some_and(|error| error.contains(text))
}

/// Whether a difference is meant.
pub fn is_known(request: &str, theirs: &Answer, ours: &Answer) -> bool {
    KNOWN.iter().any(|known| (known.is)(request, theirs, ours))
}

/// The names of all of them.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}

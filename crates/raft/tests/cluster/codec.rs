//! Configurations as the tests write them: the voters, behind `>` if others are on their way out,
//! and the learners behind `+`.
//!
//! ```text
//!   1 2 3            three voters
//!   1 2 3 + 4        and a learner
//!   1 2 3 > 1 2 4    joint: 4 replaces 3
//! ```

use std::collections::BTreeSet;

use bytes::Bytes;
use raft::{ConfigurationCodec, MemberId, Membership};

pub(crate) const CODEC: ConfigurationCodec = ConfigurationCodec { decode, leave_joint };

fn decode(payload: &Bytes) -> Option<Membership> {
    let text = std::str::from_utf8(payload).ok()?;
    let (voters, learners) = text.split_once('+').unwrap_or((text, ""));
    let (outgoing, incoming) = voters.split_once('>').unwrap_or(("", voters));
    let [incoming, outgoing, learners] = [incoming, outgoing, learners].map(ids);
    Some(Membership { incoming: incoming?, outgoing: outgoing?, learners: learners? })
}

fn leave_joint(payload: &Bytes) -> Option<Bytes> {
    let text = std::str::from_utf8(payload).ok()?;
    let (_, rest) = text.split_once('>')?;
    Some(Bytes::copy_from_slice(rest.trim().as_bytes()))
}

fn ids(text: &str) -> Option<BTreeSet<MemberId>> {
    text.split_whitespace().map(|id| id.parse().ok().map(MemberId)).collect()
}

/// The founding configuration of members `1..=count`.
pub(crate) fn founding(count: u64) -> Bytes {
    let ids: Vec<String> = (1..=count).map(|id| id.to_string()).collect();
    Bytes::from(ids.join(" "))
}

/// As `decode` reads it.
pub(crate) fn text(membership: &Membership) -> String {
    let join = |ids: &BTreeSet<MemberId>| {
        ids.iter().map(MemberId::to_string).collect::<Vec<_>>().join(" ")
    };
    let Membership { incoming, outgoing, learners } = membership;
    let before = if outgoing.is_empty() { String::new() } else { join(outgoing) + " > " };
    let after = if learners.is_empty() { String::new() } else { format!(" + {}", join(learners)) };
    before + &join(incoming) + &after
}

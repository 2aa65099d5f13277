//! Who counts is who a configuration in the log says (§6): no other entry, and none that was
//! dropped from it.

use raft::{EntryKind, LogId, Raft};

use super::log_matching::LogMatching;

pub(crate) fn check(raft: &Raft, matching: &LogMatching) {
    let (log, at) = (raft.log(), raft.configuration_index());
    if at <= log.start().index {
        return;
    }
    let id = raft.id();
    let term = log.term_at(at);
    let term = term.unwrap_or_else(|| panic!("configuration: {id} goes by {at}, past its log"));
    let entry = matching.entry(LogId::new(term, at));
    let is_this = entry.kind == EntryKind::Configuration && entry.payload == *raft.configuration();
    assert!(is_this, "configuration: {id} goes by one at {at} that is not in its log");
}

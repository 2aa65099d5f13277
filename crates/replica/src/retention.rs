//! How much of the past is kept: when the leader gives some of it up, and up to where (rule 11).
//!
//! | given up | when | down to |
//! |---|---|---|
//! | for its age | a revision is older than the setting and a sixteenth | the setting |
//! | for its bytes | it takes more than the setting | seven eighths of that |
//! | for memory | a member uses 70 % of its limit | 65 %, but for the last 10,000 revisions |
//! | the same | a member uses 80 % | 65 %, whatever that leaves |
//!
//! Whichever leaves least. Age is the cluster's own (rule 8.1), out of the log: no clock decides
//! how much anybody can read. It happens by a `Compact` entry alone, which only a leader proposes
//! that has applied an entry of its own term, one at a time; so all members give up the same at the
//! same entry, and what the policy is may differ from version to version.
//!
//! A little more than is needed goes at once, so that an entry is written now and then and not with
//! every write.

use raft::{EntryKind, LogId};
use store::{Command, CompactionCause, Revision, Settings, Store};

use crate::replica::Replica;

/// The leader looks this often, in ms.
const CHECK_INTERVAL_MS: u64 = 1_000;

/// After giving up some of the past for memory the leader waits so long until it does so again, in
/// ms: what was given up must be removed, and the members must have said so.
const MEMORY_PAUSE_MS: u64 = 3_000;

/// The same while memory is tight: the next writes would be refused before long.
const TIGHT_PAUSE_MS: u64 = 250;

/// So many of the last revisions are kept, whatever they take, when memory gets short (rule 11.2);
/// but not once it is tight.
const REVISIONS_KEPT_MIN: u64 = 10_000;

/// The past may get older than the setting by this part of it,
const AGE_SLACK_PART: u64 = 16;

/// but by no more than so many ms.
const AGE_SLACK_MS_MAX: u64 = 60_000;

/// For its bytes the past is cut down by this part of the setting beyond what is needed.
const BYTES_SLACK_PART: u64 = 8;

/// The past as the policy sees it.
#[derive(Clone, Copy, Debug)]
struct Past {
    settings: Settings,
    /// The age of the cluster now.
    age_ms: u64,
    /// Its age at the first revision that may still be given up; none if none may.
    oldest_age_ms: Option<u64>,
    history_bytes: u64,
    newest: Revision,
    /// How much of it should go for want of memory; 0 if none, or not now.
    memory_excess_bytes: u64,
    /// So much that none of it is worth keeping.
    memory_is_tight: bool,
}

/// What is to be left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// What was there at this age, and what came later.
    SinceAge(u64),
    /// So many bytes.
    Bytes(u64),
    /// So many bytes, and this revision and all later ones.
    BytesOr(u64, Revision),
}

/// What should be given up, and why; of several the one that gives up most counts.
fn wishes(past: &Past) -> Vec<(CompactionCause, Wish)> {
    let mut wishes = Vec::new();
    let Settings { history_age_ms, history_bytes, .. } = past.settings;
    // Until somebody has set anything, the seed is still to come: the defaults may be less.
    if past.settings.are_set() {
        let slack_ms = (history_age_ms / AGE_SLACK_PART).min(AGE_SLACK_MS_MAX);
        let kept_ms = past.oldest_age_ms.map_or(0, |oldest_ms| past.age_ms - oldest_ms);
        if history_age_ms > 0 && kept_ms > history_age_ms + slack_ms {
            let since_ms = past.age_ms - history_age_ms;
            wishes.push((CompactionCause::Age, Wish::SinceAge(since_ms)));
        }
        if past.history_bytes > history_bytes {
            let left = history_bytes - history_bytes / BYTES_SLACK_PART;
            wishes.push((CompactionCause::Bytes, Wish::Bytes(left)));
        }
    }
    if past.memory_excess_bytes > 0 {
        let left = past.history_bytes.saturating_sub(past.memory_excess_bytes);
        // Rather no past than no writes.
        let kept = if past.memory_is_tight { 0 } else { REVISIONS_KEPT_MIN };
        let kept = Revision(past.newest.0.saturating_sub(kept));
        wishes.push((CompactionCause::Memory, Wish::BytesOr(left, kept)));
    }
    wishes
}

impl Wish {
    /// The revision that it comes to.
    fn revision(self, store: &Store) -> Revision {
        match self {
            Wish::SinceAge(age_ms) => store.revision_at_age(age_ms).unwrap_or_default(),
            Wish::Bytes(bytes) => store.revision_leaving(bytes),
            Wish::BytesOr(bytes, kept) => store.revision_leaving(bytes).min(kept),
        }
    }
}

/// A member's part in it.
#[derive(Debug)]
pub(crate) struct Retention {
    interval_ms: u64,
    due_ms: u64,
    /// When it last gave up some of the past for memory, or found nothing that it could.
    for_memory_ms: Option<u64>,
    /// The compaction that was proposed last.
    proposed: Option<LogId>,
}

impl Default for Retention {
    fn default() -> Retention {
        let interval_ms = CHECK_INTERVAL_MS;
        Retention { interval_ms, due_ms: 0, for_memory_ms: None, proposed: None }
    }
}

impl Replica {
    /// Looks at the past this often, in ms, for tests of what happens then.
    pub fn check_history_every(&mut self, interval_ms: u64) {
        assert!(interval_ms > 0, "there is time between two looks");
        self.retention.interval_ms = interval_ms;
    }

    pub(crate) fn tick_retention(&mut self) {
        let now_ms = self.now.monotonic_ms;
        let is_pressing = self.memory_is_tight() && self.memory_counts();
        if now_ms < self.retention.due_ms && !is_pressing {
            return;
        }
        self.retention.due_ms = now_ms + self.retention.interval_ms;
        if !self.may_compact() {
            return;
        }
        let due = self.compaction_due();
        if is_pressing {
            // Also where there is nothing left to give up: not at each tick.
            self.retention.for_memory_ms = Some(now_ms);
        }
        let Some((revision, cause)) = due else { return };
        let command = Command::Compact { revision, cause }.encode();
        // Refused, it is tried again after the interval.
        let Ok(id) = self.raft.propose(self.now, EntryKind::Command, command) else { return };
        self.retention.proposed = Some(id);
        if self.memory_excess_bytes() > 0 {
            self.retention.for_memory_ms = Some(now_ms);
        }
    }

    /// Whether it is time to give up some of the past for memory, again.
    fn memory_counts(&self) -> bool {
        let pause_ms = if self.memory_is_tight() { TIGHT_PAUSE_MS } else { MEMORY_PAUSE_MS };
        let last_ms = self.retention.for_memory_ms;
        last_ms.is_none_or(|last_ms| self.now.monotonic_ms >= last_ms + pause_ms)
    }

    /// Whether this member may propose one: it leads, knows all that was decided before, and has no
    /// other one under way.
    fn may_compact(&self) -> bool {
        let under_way = self.retention.proposed.is_some_and(|proposed| {
            proposed.term == self.raft.term() && self.applier.applied() < proposed.index
        });
        let knows = self.applier.store().applied_term() == self.raft.term().0;
        self.raft.is_leader() && knows && !under_way && !self.watch.is_unsound()
    }

    fn compaction_due(&self) -> Option<(Revision, CompactionCause)> {
        let store = self.applier.store();
        let memory_counts = self.memory_counts();
        let past = Past {
            settings: store.settings(),
            // Never behind what was applied.
            age_ms: self.raft.age_ms().max(store.age_ms()),
            oldest_age_ms: store.oldest_change_age_ms(),
            history_bytes: store.kept_history_bytes(),
            newest: store.revision(),
            memory_excess_bytes: if memory_counts { self.memory_excess_bytes() } else { 0 },
            memory_is_tight: self.memory_is_tight(),
        };
        let due = wishes(&past).into_iter().map(|(cause, wish)| (wish.revision(store), cause));
        let due = due.max_by_key(|(revision, _)| *revision);
        due.filter(|(revision, _)| *revision > store.compact_revision())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const MIB: u64 = 1 << 20;

    fn past() -> Past {
        Past {
            settings: Settings { changed_index: 1, ..Settings::default() },
            age_ms: 10 * HOUR_MS,
            oldest_age_ms: Some(10 * HOUR_MS - 1_000),
            history_bytes: MIB,
            newest: Revision(50_000),
            memory_excess_bytes: 0,
            memory_is_tight: false,
        }
    }

    #[test]
    fn within_its_bounds_the_past_stays() {
        assert_eq!(wishes(&past()), []);
        assert_eq!(wishes(&Past { oldest_age_ms: None, ..past() }), []);
    }

    #[test]
    fn what_is_older_than_the_setting_goes_but_not_with_every_write() {
        let older = |ms| Past { oldest_age_ms: Some(9 * HOUR_MS - ms), ..past() };
        assert_eq!(wishes(&older(0)), []);
        assert_eq!(wishes(&older(60_000)), [], "a minute more is kept for a while");
        let since = Wish::SinceAge(9 * HOUR_MS);
        assert_eq!(wishes(&older(60_001)), [(CompactionCause::Age, since)]);
        let settings = Settings { history_age_ms: 0, ..past().settings };
        assert_eq!(wishes(&Past { settings, ..older(HOUR_MS) }), [], "0 is without a limit");
        let settings = Settings { history_age_ms: 1_600, ..past().settings };
        let young =
            |kept_ms| Past { settings, oldest_age_ms: Some(10 * HOUR_MS - kept_ms), ..past() };
        assert_eq!(wishes(&young(1_700)), []);
        assert_eq!(wishes(&young(1_701)).len(), 1);
    }

    #[test]
    fn what_takes_more_than_the_setting_goes_and_an_eighth_of_that_too() {
        let takes = |history_bytes| Past { history_bytes, ..past() };
        assert_eq!(wishes(&takes(256 * MIB)), []);
        let expected = (CompactionCause::Bytes, Wish::Bytes(224 * MIB));
        assert_eq!(wishes(&takes(256 * MIB + 1)), [expected]);
    }

    #[test]
    fn before_anything_is_set_only_memory_counts() {
        let settings = Settings::default();
        let past = Past {
            settings,
            oldest_age_ms: Some(0),
            history_bytes: 300 * MIB,
            memory_excess_bytes: 100 * MIB,
            ..past()
        };
        let expected = Wish::BytesOr(200 * MIB, Revision(40_000));
        assert_eq!(wishes(&past), [(CompactionCause::Memory, expected)]);
    }

    #[test]
    fn short_memory_leaves_the_last_revisions() {
        let few = Past { newest: Revision(9_000), memory_excess_bytes: 2 * MIB, ..past() };
        let expected = Wish::BytesOr(0, Revision(0));
        assert_eq!(wishes(&few), [(CompactionCause::Memory, expected)]);
        let none = Past { memory_is_tight: true, ..few };
        let expected = Wish::BytesOr(0, Revision(9_000));
        assert_eq!(wishes(&none), [(CompactionCause::Memory, expected)], "unless writes wait");
    }
}

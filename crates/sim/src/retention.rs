//! How much of the past the leaders keep: some lives have tiny settings, which somebody puts in and
//! changes now and then; their leaders then compact by themselves, all the time.
//!
//! What is checked: a leader gives up nothing for its age that is younger than any setting of the
//! life, and nothing at all before somebody has set anything. What a compaction is answered, and
//! what can be read after it, is the model's to say, as for those that somebody asked for.

use raft::{Entry, MemberId};
use store::{Command, CompactionCause, HISTORY_BYTES_MIN, Revision, Settings, SettingsChange};

use crate::ledger::Committed;
use crate::life::{Happening, Life};
use crate::oracle::Asked;
use crate::random::Random;
use crate::time::Span;
use crate::workload::Asker;

/// Tells this source of chance from the others of the life.
const SALT: u64 = 0x7265_7465_6e74_696f;

/// In so many lives of a thousand the settings are tiny.
const TINY_PER_MILLE: u64 = 500;

/// Once they are set, they are changed so often in a thousand times.
const CHANGE_PER_MILLE: u64 = 200;

/// What leaders gave up by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactionCounts {
    /// Times for the age of what was given up.
    pub by_age: u64,
    /// Times for what it took.
    pub by_bytes: u64,
    /// Times for want of memory.
    pub by_memory: u64,
}

impl CompactionCounts {
    /// Adds another life's.
    pub(crate) fn add(&mut self, other: CompactionCounts) {
        self.by_age += other.by_age;
        self.by_bytes += other.by_bytes;
        self.by_memory += other.by_memory;
    }
}

/// What is wanted in this life.
#[derive(Debug)]
pub(crate) struct Retention {
    random: Random,
    /// The settings are put in at all.
    is_tiny: bool,
    /// Leaders look so often, in ms.
    pub(crate) interval_ms: u64,
    /// So many changes were asked for: each is told from the others by its bytes.
    asked: u64,
}

impl Retention {
    pub(crate) fn new(seed: u64) -> Retention {
        let mut random = Random::new(seed ^ SALT);
        let is_tiny = random.chance(TINY_PER_MILLE);
        let interval_ms = random.pick(&[20, 100, 1_000]);
        Retention { random, is_tiny, interval_ms, asked: 0 }
    }

    /// When somebody sets something for the first time, if anybody does.
    pub(crate) fn first(&mut self) -> Option<Span> {
        self.is_tiny.then(|| Span(self.random.between(0, 500_000)))
    }

    fn draw(&mut self, seed: bool) -> Command {
        self.asked += 1;
        let age_ms = self.random.pick(&[0, 50, 300, 2_000]);
        let bytes = self.random.pick(&[HISTORY_BYTES_MIN, 10_000, 50_000, 1 << 20]);
        Command::ChangeSettings(SettingsChange {
            history_age_ms: Some(age_ms),
            history_bytes: Some(bytes + self.asked),
            seed,
        })
    }
}

impl Life {
    /// Puts settings in, or changes them.
    pub(crate) fn set_history(&mut self) {
        if self.healing.is_some() {
            return;
        }
        let rest = Span::ms(4 * self.plan.timers.election_timeout_ms);
        self.queue.plan_in(rest, Happening::Settings);
        let is_set = self.ledger.model().settings().are_set();
        if is_set && !self.retention.random.chance(CHANGE_PER_MILLE) {
            return;
        }
        let running: Vec<MemberId> =
            self.remaining().into_iter().filter(|&id| self.runs(id)).collect();
        if running.is_empty() {
            return;
        }
        let member = self.retention.random.pick(&running);
        let asked = Asked::Write(self.retention.draw(!is_set).encode());
        let (ticket, timeout_ms) = (self.next_ticket(), self.plan.timers.election_timeout_ms);
        self.ask(ticket, Asker::Once, member, asked, true, 4 * timeout_ms);
    }
}

/// Whether it is a compaction that nobody but a leader asks for.
pub(crate) fn is_leaders_compaction(command: &Command) -> bool {
    matches!(command, Command::Compact { cause, .. } if *cause != CompactionCause::Asked)
}

/// What every compaction that a leader wanted must keep to.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    /// The shortest age that was ever set in this life; 0 while none was.
    shortest_ms: u64,
    /// Some member has had a limit.
    pub(crate) memory_is_limited: bool,
    pub(crate) counts: CompactionCounts,
}

impl Bounds {
    /// The settings are these from now on.
    pub(crate) fn set(&mut self, settings: &Settings) {
        let age_ms = settings.history_age_ms;
        if age_ms > 0 && (self.shortest_ms == 0 || age_ms < self.shortest_ms) {
            self.shortest_ms = age_ms;
        }
    }

    /// A compaction was committed; `before` is what was committed before it, in order.
    pub(crate) fn check(
        &mut self,
        entry: &Entry,
        revision: Revision,
        cause: CompactionCause,
        settings: &Settings,
        before: &[Committed],
    ) {
        let id = entry.id;
        match cause {
            CompactionCause::Asked => return,
            CompactionCause::Memory => {
                self.counts.by_memory += 1;
                let limited = self.memory_is_limited;
                assert!(limited, "retention: {id}: no member is short of memory");
                return;
            }
            CompactionCause::Bytes => self.counts.by_bytes += 1,
            CompactionCause::Age => {
                self.counts.by_age += 1;
                let written = before.partition_point(|committed| committed.revision < revision);
                let written_ms = before.get(written).map_or(0, |c| c.entry.age_ms);
                let kept_ms = entry.age_ms - written_ms;
                assert!(
                    kept_ms >= self.shortest_ms && self.shortest_ms > 0,
                    "retention: {id} gives up what came before {revision}, of {kept_ms} ms ago, \
                     and {} ms are kept",
                    self.shortest_ms
                );
            }
        }
        assert!(settings.are_set(), "retention: {id} goes by settings that nobody has set");
    }
}

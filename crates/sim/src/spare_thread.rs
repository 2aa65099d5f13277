//! The spare thread: prepares segments a step at a time, each with a time of its own, beside the
//! log thread and on the same disk; and looks how much room there is.

use disk::SimDisk;
use replica::{Preparation, Room, SpareKeeper};

use crate::time::{Span, Time};

/// From one look to the next while nothing is to be prepared.
const LOOK_INTERVAL: Span = Span(100_000);

/// The spare thread.
pub(crate) struct SpareThread {
    keeper: SpareKeeper<SimDisk>,
    work: Work,
    look_due: Time,
}

/// The step at work. Like a batch of the log's, it is done at the beginning of its time or at the
/// end of it, so that a crash finds it either way.
enum Work {
    Nothing,
    Late,
    Early,
}

impl SpareThread {
    pub(crate) fn new(keeper: SpareKeeper<SimDisk>, now: Time) -> SpareThread {
        SpareThread { keeper, work: Work::Nothing, look_due: now }
    }

    /// Whether it is time to look, and nothing is at work.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        matches!(self.work, Work::Nothing) && now >= self.look_due
    }

    /// Begins a step, if there is something to do: then `finish` is due after a while.
    pub(crate) fn begin(&mut self, now: Time, early: bool) -> bool {
        assert!(self.is_due(now), "one step at a time");
        self.look_due = now + LOOK_INTERVAL;
        if !self.keeper.has_work() {
            return false;
        }
        self.work = if early { Work::Early } else { Work::Late };
        if early {
            self.step(now);
        }
        true
    }

    /// The step's time is over.
    pub(crate) fn finish(&mut self, now: Time) {
        match std::mem::replace(&mut self.work, Work::Nothing) {
            Work::Nothing => panic!("only what was begun is finished"),
            Work::Late => self.step(now),
            Work::Early => {}
        }
    }

    /// How much room there is, if the disk tells.
    pub(crate) fn room(&self) -> Option<Room> {
        self.keeper.room().ok()
    }

    fn step(&mut self, now: Time) {
        if matches!(self.keeper.step(), Ok(Preparation::More)) {
            self.look_due = now;
        }
    }
}

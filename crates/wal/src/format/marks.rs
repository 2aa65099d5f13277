//! Marks: where the log stands, in each frame that has no records.

use super::{COUNTER_MAX, put_u64, read_u64};
use crate::outline::LogId;

const START_INDEX: usize = 0;
const START_TERM: usize = START_INDEX + 8;
const LAST_INDEX: usize = START_TERM + 8;
const LAST_TERM: usize = LAST_INDEX + 8;
const FLOOR_INDEX: usize = LAST_TERM + 8;
const FLOOR_TERM: usize = FLOOR_INDEX + 8;

/// Bytes of the marks.
pub(super) const MARKS_BYTES: usize = FLOOR_TERM + 8;

/// Where the log stands as of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    /// The entry that the log starts after.
    pub(crate) start: LogId,
    /// The last entry, or the start if there is none.
    pub(crate) last: LogId,
    /// The last entry that the log once had, if a repair cut it off.
    pub(crate) floor: Option<LogId>,
}

impl Marks {
    pub(super) fn encode(&self, bytes: &mut [u8]) {
        let floor = self.floor.unwrap_or_default();
        put_u64(bytes, START_INDEX, self.start.index);
        put_u64(bytes, START_TERM, self.start.term);
        put_u64(bytes, LAST_INDEX, self.last.index);
        put_u64(bytes, LAST_TERM, self.last.term);
        put_u64(bytes, FLOOR_INDEX, floor.index);
        put_u64(bytes, FLOOR_TERM, floor.term);
    }

    pub(super) fn decode(bytes: &[u8]) -> Marks {
        let log_id =
            |index, term| LogId { index: read_u64(bytes, index), term: read_u64(bytes, term) };
        Marks {
            start: log_id(START_INDEX, START_TERM),
            last: log_id(LAST_INDEX, LAST_TERM),
            floor: Some(log_id(FLOOR_INDEX, FLOOR_TERM)).filter(|floor| floor.index > 0),
        }
    }

    /// Whether arithmetic on the fields is safe, whoever wrote them.
    pub(super) fn is_plausible(&self) -> bool {
        let floor_index = self.floor.map_or(0, |floor| floor.index);
        self.start.index <= self.last.index
            && self.start.term <= self.last.term
            && self.last.index < COUNTER_MAX
            && floor_index < COUNTER_MAX
    }
}

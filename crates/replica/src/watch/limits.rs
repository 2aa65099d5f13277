//! How much is held, looked at and told at once, by count. Small numbers, as simulators and tests
//! have them, bring a watcher to every one of its bounds; what is told is the same.

/// Bounds by count. Those by bytes are constants beside what they bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchLimits {
    /// Batches that wait for one watcher.
    pub seat_batches_max: usize,
    /// Events that one call of the dispatcher looks at.
    pub dispatch_events_max: usize,
    /// Events that a watcher reads at once from the log; it holds no more of them, unless one
    /// revision has more and may not come in pieces.
    pub read_events_max: usize,
    /// Events of a piece of a revision.
    pub piece_events_max: usize,
}

impl Default for WatchLimits {
    fn default() -> WatchLimits {
        WatchLimits {
            seat_batches_max: 16,
            dispatch_events_max: 256,
            read_events_max: 1_000,
            piece_events_max: 1_000,
        }
    }
}

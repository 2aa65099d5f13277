//! How evenly operations are done: how many in each tenth of a second.

use std::time::{Duration, Instant};

/// How long a window is.
pub(super) const WINDOW: Duration = Duration::from_millis(100);

/// A day. Later ones are not looked at.
const WINDOWS_MAX: usize = 864_000;

/// Windows from a moment on.
#[derive(Debug)]
pub(super) struct Windows {
    begin: Instant,
    counts: Vec<u64>,
}

impl Windows {
    pub(super) fn from(begin: Instant) -> Windows {
        Windows { begin, counts: Vec::new() }
    }

    /// An operation was done at this moment.
    pub(super) fn done(&mut self, at: Instant) {
        let window = at.saturating_duration_since(self.begin).as_millis() / WINDOW.as_millis();
        let window = usize::try_from(window).unwrap_or(WINDOWS_MAX);
        if window >= WINDOWS_MAX {
            return;
        }
        if window >= self.counts.len() {
            self.counts.resize(window + 1, 0);
        }
        self.counts[window] += 1;
    }

    /// How many were done in the window in which the fewest were; nothing if there are only the
    /// two in which it began and ended, which are not whole.
    pub(super) fn quietest(&self) -> Option<u64> {
        let first = self.counts.iter().position(|count| *count > 0)?;
        let whole = self.counts.get(first + 1..self.counts.len() - 1)?;
        whole.iter().copied().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_a_window_without_any() {
        let begin = Instant::now();
        let mut windows = Windows::from(begin);
        for ms in [250, 310, 320, 510, 611] {
            windows.done(begin + Duration::from_millis(ms));
        }
        assert_eq!(windows.counts, [0, 0, 1, 2, 0, 1, 1]);
        assert_eq!(windows.quietest(), Some(0));
    }

    #[test]
    fn the_first_and_the_last_do_not_count() {
        let begin = Instant::now();
        let mut windows = Windows::from(begin);
        assert_eq!(windows.quietest(), None);
        for (ms, quietest) in [(0, None), (110, None), (120, None), (205, Some(2)), (400, Some(0))]
        {
            windows.done(begin + Duration::from_millis(ms));
            assert_eq!(windows.quietest(), quietest, "{ms}");
        }
    }
}

//! How far a long command is, on standard error, if that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// From one turn of the spinner to the next.
const TURN: Duration = Duration::from_millis(200);

/// What is shown; nothing where nobody looks. Dropped it goes.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// So many bytes, of so many if that is known.
    pub(crate) fn bytes(total: Option<u64>) -> Progress {
        match total {
            Some(total) => {
                let style = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}";
                Progress::styled(ProgressBar::new(total), style)
            }
            None => Progress::styled(
                ProgressBar::new_spinner(),
                "{spinner} {bytes} {bytes_per_sec} {msg}",
            ),
        }
    }

    /// So many keys, of nobody knows how many.
    pub(crate) fn keys() -> Progress {
        Progress::styled(ProgressBar::new_spinner(), "{spinner} {human_pos} keys {per_sec} {msg}")
    }

    /// Part of a whole whose size says nothing to anybody.
    pub(crate) fn part(whole: u64) -> Progress {
        Progress::styled(ProgressBar::new(whole), "{bar:30} {percent:>3} % {msg}")
    }

    /// The library itself shows nothing if standard error is no terminal.
    fn styled(bar: ProgressBar, template: &str) -> Progress {
        let style = ProgressStyle::with_template(template).expect("a constant, and tested");
        bar.set_style(style);
        bar.enable_steady_tick(TURN);
        Progress(bar)
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.inc(count);
    }

    pub(crate) fn set(&self, position: u64) {
        self.0.set_position(position);
    }

    pub(crate) fn say(&self, message: String) {
        self.0.set_message(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_shown() {
        let kinds =
            [Progress::bytes(None), Progress::bytes(Some(10)), Progress::keys(), Progress::part(9)];
        for progress in kinds {
            progress.set(2);
            progress.add(3);
            progress.say("so far".to_owned());
        }
    }
}

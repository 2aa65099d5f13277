//! Replicated settings: what the members have to agree on beyond the commands themselves
//! (rule 4.5).
//!
//! They are changed by a command in the log, so all members change at the same entry, and they are
//! part of every snapshot and of the state hash. What a member was started with only seeds them:
//! a seed counts if nobody has set anything before.

use std::fmt;

use crate::hash;
use crate::types::AGE_MS_MAX;

/// Less history than this is none: a few writes would fill it.
pub const HISTORY_BYTES_MIN: u64 = 4 << 10;

/// More is a typing error, and no memory holds it.
pub const HISTORY_BYTES_MAX: u64 = 1 << 50;

/// A longer age is no limit at all, which 0 says better.
pub const HISTORY_AGE_MS_MAX: u64 = 1_000 * 365 * 24 * 60 * 60 * 1_000;

const _: () = assert!(HISTORY_AGE_MS_MAX < AGE_MS_MAX);

/// What the cluster goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The past is kept for so many ms of the cluster's age at the least, unless it takes more than
    /// `history_bytes`; 0 is without a limit.
    pub history_age_ms: u64,
    /// The past takes so many bytes at the most, about.
    pub history_bytes: u64,
    /// The entry that changed them last; 0 while nobody has.
    pub changed_index: u64,
}

/// What a command sets; the rest stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// See [`Settings::history_age_ms`].
    pub history_age_ms: Option<u64>,
    /// See [`Settings::history_bytes`].
    pub history_bytes: Option<u64>,
    /// What a member was started with: it counts only if nothing was set before.
    pub seed: bool,
}

/// A setting out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// `history_age_ms` is at most [`HISTORY_AGE_MS_MAX`].
    HistoryAge,
    /// `history_bytes` is from [`HISTORY_BYTES_MIN`] to [`HISTORY_BYTES_MAX`].
    HistoryBytes,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::HistoryAge => {
                write!(f, "history_age_ms is at most {HISTORY_AGE_MS_MAX}; 0 is without a limit")
            }
            SettingsError::HistoryBytes => {
                write!(f, "history_bytes is from {HISTORY_BYTES_MIN} to {HISTORY_BYTES_MAX}")
            }
        }
    }
}

impl std::error::Error for SettingsError {}

impl Default for Settings {
    /// An hour, and 256 MiB (rule 11.1).
    fn default() -> Settings {
        Settings { history_age_ms: 60 * 60 * 1_000, history_bytes: 256 << 20, changed_index: 0 }
    }
}

impl Settings {
    /// Whether somebody has set them, or a seed has.
    pub fn are_set(&self) -> bool {
        self.changed_index > 0
    }

    /// Takes the change in, as the entry of this index asks for it.
    pub(crate) fn change(&mut self, change: &SettingsChange, index: u64) {
        if change.seed && self.are_set() {
            return;
        }
        self.history_age_ms = change.history_age_ms.unwrap_or(self.history_age_ms);
        self.history_bytes = change.history_bytes.unwrap_or(self.history_bytes);
        self.changed_index = index;
    }

    /// Their item of the state hash.
    pub(crate) fn item(&self) -> u64 {
        hash::settings_item(self.history_age_ms, self.history_bytes, self.changed_index)
    }
}

impl SettingsChange {
    /// Whether every value is within its bounds.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if self.history_age_ms.is_some_and(|age_ms| age_ms > HISTORY_AGE_MS_MAX) {
            return Err(SettingsError::HistoryAge);
        }
        let bounds = HISTORY_BYTES_MIN..=HISTORY_BYTES_MAX;
        if self.history_bytes.is_some_and(|bytes| !bounds.contains(&bytes)) {
            return Err(SettingsError::HistoryBytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_counts_once_and_never_after_a_change() {
        let mut settings = Settings::default();
        let seed = |history_age_ms| SettingsChange {
            history_age_ms: Some(history_age_ms),
            seed: true,
            ..SettingsChange::default()
        };
        settings.change(&seed(5_000), 3);
        settings.change(&seed(7_000), 4);
        assert_eq!((settings.history_age_ms, settings.changed_index), (5_000, 3));
        let set = SettingsChange { history_bytes: Some(1 << 20), ..SettingsChange::default() };
        settings.change(&set, 9);
        let expected = Settings { history_age_ms: 5_000, history_bytes: 1 << 20, changed_index: 9 };
        assert_eq!(settings, expected, "what is not named stays");
    }

    #[test]
    fn values_have_bounds() {
        let change = |history_age_ms, history_bytes| SettingsChange {
            history_age_ms,
            history_bytes,
            seed: false,
        };
        assert_eq!(change(Some(0), Some(HISTORY_BYTES_MIN)).validate(), Ok(()));
        assert_eq!(change(None, None).validate(), Ok(()));
        let late = change(Some(HISTORY_AGE_MS_MAX + 1), None).validate();
        assert_eq!(late, Err(SettingsError::HistoryAge));
        for bytes in [0, HISTORY_BYTES_MIN - 1, HISTORY_BYTES_MAX + 1] {
            assert_eq!(change(None, Some(bytes)).validate(), Err(SettingsError::HistoryBytes));
        }
    }
}

//! What a member's own backups came to.

use std::time::Instant;

use super::KeptBackup;
use crate::config::BackupPlan;

/// Of a member that makes backups, what is known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupStatus {
    /// Where, how often, and how many are kept.
    pub plan: BackupPlan,
    /// The newest that is sound; none if there is none, or the target was not seen yet.
    pub newest: Option<KeptBackup>,
    /// Sound ones in the directory, as far as they are this member's.
    pub kept: u64,
    /// Files of its own that are not sound any more. They stay where they are.
    pub unsound: u64,
    /// What was made since the process started.
    pub made: u64,
    /// Attempts that failed since then.
    pub failed: u64,
    /// Why the last attempt failed, if it did.
    pub failure: Option<BackupFailure>,
}

/// An attempt that failed, and was not made good for since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupFailure {
    /// Why.
    pub reason: String,
    /// When.
    pub at: Instant,
}

impl BackupStatus {
    /// Before anything happened.
    pub(crate) fn new(plan: BackupPlan) -> BackupStatus {
        let (newest, failure) = (None, None);
        BackupStatus { plan, newest, kept: 0, unsound: 0, made: 0, failed: 0, failure }
    }

    /// For how long the newest one has been there, by the wall clock, in ms.
    pub(crate) fn age_ms(&self, now_ms: u64) -> Option<u64> {
        self.newest.as_ref().map(|newest| now_ms.saturating_sub(newest.time_ms))
    }
}

//! Backups that a member makes by itself: where, how often, and how many are kept.

use std::path::{Path, PathBuf};

use super::{
    BACKUP_EVERY_MS_DEFAULT, BACKUP_EVERY_MS_MAX, BACKUP_EVERY_MS_MIN, BACKUP_KEEP_DEFAULT,
    BACKUP_KEEP_MAX, ConfigError,
};

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupPlan {
    /// The directory, which must be there: it is never made.
    pub directory: PathBuf,
    /// From one to the next, in ms.
    pub every_ms: u64,
    /// Sound ones that are kept; at least one.
    pub keep: usize,
}

/// What was written, made consistent.
pub(super) fn resolve(
    directory: Option<PathBuf>,
    every_ms: Option<u64>,
    keep: Option<u64>,
    data_dir: &Path,
) -> Result<Option<BackupPlan>, ConfigError> {
    let Some(directory) = directory.filter(|directory| !directory.as_os_str().is_empty()) else {
        let said = [("--backup-every", every_ms.is_some()), ("--backup-keep", keep.is_some())];
        return match said.iter().find(|(_, is_said)| *is_said) {
            Some((setting, _)) => Err(ConfigError::Needs(setting, "--backup-dir DIR")),
            None => Ok(None),
        };
    };
    if directory.starts_with(data_dir) {
        return Err(ConfigError::BackupDirInside(directory));
    }
    let every_ms = every_ms.unwrap_or(BACKUP_EVERY_MS_DEFAULT);
    if !(BACKUP_EVERY_MS_MIN..=BACKUP_EVERY_MS_MAX).contains(&every_ms) {
        return Err(ConfigError::BackupEvery(every_ms));
    }
    let keep = keep.unwrap_or(BACKUP_KEEP_DEFAULT);
    match usize::try_from(keep).ok().filter(|_| (1..=BACKUP_KEEP_MAX).contains(&keep)) {
        Some(keep) => Ok(Some(BackupPlan { directory, every_ms, keep })),
        None => Err(ConfigError::BackupKeep(keep)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(
        directory: Option<&str>,
        every_ms: Option<u64>,
        keep: Option<u64>,
    ) -> Result<Option<BackupPlan>, ConfigError> {
        resolve(directory.map(PathBuf::from), every_ms, keep, Path::new("data/node-1"))
    }

    #[test]
    fn a_directory_alone_says_enough_and_nothing_goes_without_it() {
        let plan = resolved(Some("/backups"), None, None).unwrap().unwrap();
        assert_eq!((plan.every_ms, plan.keep), (3_600_000, 24));
        assert_eq!(resolved(None, None, None), Ok(None));
        let needs = |setting| Err(ConfigError::Needs(setting, "--backup-dir DIR"));
        assert_eq!(resolved(None, Some(1_000), None), needs("--backup-every"));
        assert_eq!(resolved(None, None, Some(1)), needs("--backup-keep"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let inside = resolved(Some("data/node-1/backups"), None, None);
        assert_eq!(inside, Err(ConfigError::BackupDirInside("data/node-1/backups".into())));
        for every_ms in [0, 999, u64::MAX] {
            let refused = resolved(Some("/backups"), Some(every_ms), None);
            assert_eq!(refused, Err(ConfigError::BackupEvery(every_ms)));
        }
        for keep in [0, 10_001] {
            let refused = resolved(Some("/backups"), None, Some(keep));
            assert_eq!(refused, Err(ConfigError::BackupKeep(keep)));
        }
    }
}

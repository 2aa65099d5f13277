//! The directory of all members.
//!
//! ```text
//! raftkv-dev/
//!   dev.json         which members, at which ports: what the next run goes on from
//!   dev.lock         held while a run lasts
//!   raftkv.toml      settings for every member, for the user to add
//!   node-1/          the data directory of a member
//!   node-1.log       what it printed
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use server::config::Raw;

use super::saved::Saved;
use crate::failure::Failure;

const SAVED_FILE: &str = "dev.json";
const LOCK_FILE: &str = "dev.lock";
const SETTINGS_FILE: &str = "raftkv.toml";
const SETTINGS_TEXT: &str = "# Settings for every member that `raftkv dev` starts here; \
     see docs/configuration.md.\n";

/// The directory of all members, held by one run at a time.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Locked until it is closed.
    _lock: File,
}

/// Settings for every member.
pub(super) fn settings_file(directory: &Path) -> PathBuf {
    directory.join(SETTINGS_FILE)
}

impl Directory {
    /// Makes the directory if need be, and takes it for this run.
    pub(super) fn open(path: &Path) -> Result<Directory, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::Negative(format!("{}: {error}", path.display()))
        };
        fs::create_dir_all(path).map_err(|error| failed(&error))?;
        let lock = File::create(path.join(LOCK_FILE)).map_err(|error| failed(&error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Directory { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(failed(&"another `raftkv dev` runs here; stop it, or use another --data-dir"))
            }
            Err(TryLockError::Error(error)) => Err(failed(&error)),
        }
    }

    /// What the last run was, if there was one.
    pub(super) fn saved(&self) -> Result<Option<Saved>, Failure> {
        let path = self.path.join(SAVED_FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file(&path, &error)),
        };
        Saved::read(&text).map(Some).map_err(|error| {
            let path = path.display();
            Failure::Negative(format!("{path}: {error}; start anew with --fresh"))
        })
    }

    /// The web origins that the settings for all members allow. A file that can not be read is for
    /// the members to complain about.
    pub(super) fn allowed_origins(&self) -> Vec<String> {
        let path = settings_file(&self.path);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let settings = Raw::from_toml(&path, &text).unwrap_or_default();
        settings.allow_origin.unwrap_or_default()
    }

    /// Removes what earlier runs left, and nothing else: the path was given by hand.
    pub(super) fn clear(&self) -> Result<(), Failure> {
        self.try_clear().map_err(|error| Failure::file(&self.path, &error))
    }

    fn try_clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(member) = name.to_str().and_then(|name| name.strip_prefix("node-")) else {
                continue;
            };
            let is_number = |text: &str| text.parse::<u16>().is_ok();
            match member.strip_suffix(".log") {
                Some(number) if is_number(number) => fs::remove_file(entry.path())?,
                None if is_number(member) => fs::remove_dir_all(entry.path())?,
                _ => {}
            }
        }
        match fs::remove_file(self.path.join(SAVED_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Leaves the members for the next run.
    pub(super) fn save(&self, members: &Saved) -> Result<(), Failure> {
        let save = || {
            let settings = settings_file(&self.path);
            if !settings.exists() {
                fs::write(settings, SETTINGS_TEXT)?;
            }
            // In one step: a run that is killed here must not cost the next one the cluster.
            let (draft, file) = (self.path.join("dev.json.partial"), self.path.join(SAVED_FILE));
            fs::write(&draft, serde_json::to_vec(members)?)?;
            fs::rename(draft, file)
        };
        save().map_err(|error: io::Error| Failure::file(&self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_held_by_one_run_and_cleared_of_its_own_files_alone() {
        let root = std::env::temp_dir().join(format!("raftkv-plan-{}", std::process::id()));
        let directory = Directory::open(&root).unwrap();
        let second = Directory::open(&root).unwrap_err().to_string();
        assert!(second.contains("another `raftkv dev` runs here"), "{second}");

        let members = Saved::in_a_row(3, 8_001);
        directory.save(&members).unwrap();
        assert_eq!(directory.saved().unwrap(), Some(members));
        assert_eq!(directory.allowed_origins(), [""; 0]);
        fs::write(root.join(SETTINGS_FILE), "allow_origin = \"http://a, http://b\"").unwrap();
        assert_eq!(directory.allowed_origins(), ["http://a", "http://b"]);
        fs::create_dir(root.join("node-1")).unwrap();
        for file in ["node-1/data", "node-1.log", "node-notes.txt", "mine"] {
            fs::write(root.join(file), "").unwrap();
        }
        directory.clear().unwrap();
        let mut left: Vec<_> =
            fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["dev.lock", "mine", "node-notes.txt", "raftkv.toml"]);
        assert_eq!(directory.saved().unwrap(), None);
        fs::remove_dir_all(root).unwrap();
    }
}

//! The directory of a run: its members' data and logs. It goes with the run; after a failure it
//! stays, under another name. What a run that was killed has left is taken away by the next one:
//! nobody holds its lock any more.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const PREFIX: &str = "raftkv-chaos-";
const KEPT_PREFIX: &str = "raftkv-broken-";
const LOCK: &str = "lock";

#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    _lock: File,
}

impl Home {
    /// A new directory, after others' leftovers are gone.
    pub(crate) fn new() -> Home {
        sweep(&env::temp_dir());
        let name = format!("{PREFIX}{:016x}", fastrand::u64(..));
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("temporary files can be made");
        let _lock = File::create(path.join(LOCK)).expect("the directory is new");
        _lock.lock().expect("nobody else knows it");
        Home { path, _lock }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// It is to stay, because of `why`; says where it is from now on. What lies on disks in memory
    /// is copied, for those go.
    pub(crate) fn keep(&self, why: &str) -> String {
        let kept = self.path.with_file_name(
            self.path
                .file_name()
                .map_or(String::new(), |name| name.to_string_lossy().replace(PREFIX, KEPT_PREFIX)),
        );
        fs::write(self.path.join("why"), why).ok();
        let copied = Command::new("cp").arg("-a").arg(&self.path).arg(&kept).status();
        match copied {
            Ok(status) if status.success() => format!("what the members left: {}", kept.display()),
            _ => format!("what the members left could not be copied to {}", kept.display()),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What can not be removed is found by the next run.
        fs::remove_dir_all(&self.path).ok();
    }
}

/// Removes what runs have left that are no more.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if ours && is_abandoned(&path) {
            fs::remove_dir_all(&path).ok();
        }
    }
}

fn is_abandoned(home: &Path) -> bool {
    File::open(home.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use system_tests::scratch::Scratch;

    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_and_a_running_ones_stays() {
        let scratch = Scratch::new();
        let homes = ["left", "running"].map(|name| scratch.path().join(format!("{PREFIX}{name}")));
        let locks = homes.clone().map(|home| {
            fs::create_dir_all(&home).unwrap();
            File::create(home.join(LOCK)).unwrap()
        });
        locks[1].lock().unwrap();
        let others = scratch.path().join("raftkv-other");
        fs::create_dir(&others).unwrap();
        sweep(scratch.path());
        assert_eq!(homes.map(|home| home.exists()), [false, true]);
        assert!(others.exists());
    }
}

//! A directory of a test's own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process, thread};

/// A new directory. It goes when the test ends well; after a failure it stays, and says where.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Below the directory for temporary files.
    #[allow(clippy::new_without_default, reason = "it makes a directory: nothing to default to")]
    pub fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("raftkv-system-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("what the members left is in {}", self.path.display());
        } else {
            // What can not be removed lies in the directory for temporary files.
            fs::remove_dir_all(&self.path).ok();
        }
    }
}

//! A small disk of a member's own, in memory, that a test can fill.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What fills it is written in pieces of so many bytes, the last ones smaller.
const PIECE_BYTES: usize = 64 << 10;

/// A file system in memory, mounted at a path. Dropped, it goes.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// One of so many MiB at `path`, which is created; none, with a word about it, where this user
    /// may not mount.
    pub fn mount(path: &Path, mib: u64) -> Option<SmallDisk> {
        fs::create_dir_all(path).unwrap();
        let options = format!("size={mib}m,mode=700");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &options, "raftkv-test"]).arg(path).output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk { path: path.to_owned() }),
            Ok(output) => {
                println!(
                    "skipped, for want of a disk: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
                None
            }
            Err(error) => {
                println!("skipped, for want of a disk: mount: {error}");
                None
            }
        }
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        let mut piece = vec![1; PIECE_BYTES];
        while !piece.is_empty() {
            match file.write(&piece) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => {
                    piece.truncate(piece.len() / 2);
                }
                Err(error) => panic!("{}: {error}", self.path.display()),
            }
        }
    }

    /// Takes what fills it away.
    pub fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.path.join("somebody-elses-file")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the member may still run. What is left goes with the machine.
        Command::new("umount").arg("-l").arg(&self.path).status().ok();
    }
}

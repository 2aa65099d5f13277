//! Bugs planted on purpose, outside of the production code: a simulator that does not find these
//! would find nothing. Each breaks a promise that the simulated machine makes to the member, or
//! that the gateway makes to its client.

use std::path::Path;

use disk::{Disk, File, Mode, SimDisk};

use crate::plan;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// The log says "durable" before it has written anything.
    LyingFlush,
    /// A restart finds the term, but not the vote.
    ForgottenVote,
    /// A restart finds the disk as it was at the start before.
    RolledBackDisk,
    /// Reads are served without asking the leader.
    UnconfirmedReads,
    /// What is unknown is reported as failed.
    UnknownCalledFailed,
}

impl Canary {
    /// All of them.
    pub const ALL: [Canary; 5] = [
        Canary::LyingFlush,
        Canary::ForgottenVote,
        Canary::RolledBackDisk,
        Canary::UnconfirmedReads,
        Canary::UnknownCalledFailed,
    ];
}

/// Another disk that holds what this one shows now.
pub(crate) fn copy_of(disk: &SimDisk) -> SimDisk {
    let (copy, top) = (SimDisk::new(), plan::directory());
    for directory in [top.to_path_buf(), top.join("wal")] {
        copy.create_dir_all(&directory).expect("a new disk works");
        for name in disk.list(&directory).expect("a member's directories exist") {
            copy_file(disk, &copy, &directory.join(name));
        }
        for ancestor in directory.ancestors() {
            copy.sync_dir(ancestor).expect("a new disk works");
        }
    }
    copy
}

fn copy_file(disk: &SimDisk, copy: &SimDisk, path: &Path) {
    // What can not be opened is a directory.
    let Ok(file) = disk.open(path, Mode::Read) else { return };
    let mut bytes = vec![0; file.size_bytes().expect("it is open") as usize];
    file.read_at(&mut bytes, 0).expect("it is open");
    let file = copy.open(path, Mode::CreateNew).expect("a new disk works");
    file.write_at(&bytes, 0).expect("a new disk works");
    file.sync().expect("a new disk works");
}

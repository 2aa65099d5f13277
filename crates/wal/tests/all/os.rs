//! A data directory and its log on the operating system's own files.

use std::path::PathBuf;

use disk::OsDisk;
use wal::{Batch, DataDirectory, DirectoryError, Entry, HardState, Preparation, Visit, Wal};

use crate::support::{OPTIONS, entry};

/// A path of its own that does not exist yet, removed when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("wal-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_member_finds_its_identity_and_its_log_again() {
    let scratch = Scratch::new("again");
    let path = scratch.0.join("deep/node-1");
    let hard_state = HardState { term: 2, vote: Some(3), commit: 40 };
    let entries: Vec<Entry> = (1..=100).map(|index| entry(index, 2, vec![7; 1000])).collect();
    {
        let mut directory = DataDirectory::open(OsDisk, &path, "node-1", || (1, 2)).unwrap();
        directory.set_cluster(9).unwrap();
        let opened = Wal::open(OsDisk, &directory.log_path(), OPTIONS, &mut |_| {});
        let (mut wal, recovered) = opened.unwrap();
        assert_eq!(recovered.last, None);
        while wal.prepare().unwrap() {}
        let mut keeper = wal.spare_keeper();
        while keeper.step().unwrap() == Preparation::More {}
        assert_eq!(keeper.room().unwrap().spares, OPTIONS.spares);
        wal.append(&[Batch::new(hard_state, entries.clone())]).unwrap();
        wal.write_closing_frame().unwrap();
    }
    let directory = DataDirectory::open(OsDisk, &path, "node-1", || panic!("drawn again")).unwrap();
    assert_eq!((directory.identity().incarnation, directory.identity().cluster_id), (2, Some(9)));
    let mut found = Vec::new();
    let visit = &mut |visit: Visit<'_>| {
        if let Visit::Entry(entry) = visit {
            found.push(entry.clone());
        }
    };
    let (mut wal, recovered) = Wal::open(OsDisk, &directory.log_path(), OPTIONS, visit).unwrap();
    assert_eq!((recovered.hard_state, recovered.last), (hard_state, Some((2, 100))));
    assert_eq!(found, entries);
    assert_eq!(wal.read(1, 100, usize::MAX).unwrap(), entries);
}

#[test]
fn a_member_may_be_given_another_id_until_a_cluster_knows_it() {
    let scratch = Scratch::new("called");
    let open = || DataDirectory::open(OsDisk, &scratch.0, "node-1", || (1, 2)).unwrap();
    let mut directory = open();
    directory.set_member_id(7).unwrap();
    drop(directory);
    let mut directory = open();
    assert_eq!((directory.identity().member_id, directory.identity().incarnation), (7, 2));
    directory.set_member_id(7).unwrap();
    directory.set_cluster(9).unwrap();
    assert_eq!((directory.identity().member_id, directory.identity().cluster_id), (7, Some(9)));
}

#[test]
fn two_processes_cannot_share_a_data_directory() {
    let scratch = Scratch::new("shared");
    let _holder = DataDirectory::open(OsDisk, &scratch.0, "node-1", || (1, 2)).unwrap();
    let refused = DataDirectory::open(OsDisk, &scratch.0, "node-1", || (1, 2)).map(drop);
    assert!(matches!(refused, Err(DirectoryError::Locked { .. })), "{refused:?}");
}

#[test]
fn a_path_that_is_a_file_is_refused() {
    let scratch = Scratch::new("file");
    std::fs::write(&scratch.0, "not a directory").unwrap();
    let refused = DataDirectory::open(OsDisk, &scratch.0, "node-1", || (1, 2)).map(drop);
    let message = refused.unwrap_err().to_string();
    std::fs::remove_file(&scratch.0).unwrap();
    assert!(message.contains("something else has this name"), "{message}");
}

//! The operating system's disk keeps the contract of the traits.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use disk::{Directory, Disk, Error, File, Mode, Operation, OsDisk};

/// A directory of its own, removed when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("disk-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        OsDisk.create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn write_file(path: &Path, bytes: &[u8]) {
    let file = OsDisk.open(path, Mode::CreateNew).unwrap();
    file.write_at(bytes, 0).unwrap();
    file.sync().unwrap();
}

#[test]
fn what_was_written_is_read_back_and_reads_stop_at_the_end() {
    let scratch = Scratch::new("read");
    write_file(&scratch.path("a"), b"hello");
    let file = OsDisk.open(&scratch.path("a"), Mode::Read).unwrap();
    let mut bytes = [0; 8];
    assert_eq!(file.read_at(&mut bytes, 1).unwrap(), 4);
    assert_eq!(&bytes[..4], b"ello");
    assert_eq!(file.size_bytes().unwrap(), 5);
    assert_eq!(file.read_at(&mut bytes, 9).unwrap(), 0);
}

#[test]
fn writing_past_the_end_leaves_zeros_between() {
    let scratch = Scratch::new("gap");
    let file = OsDisk.open(&scratch.path("a"), Mode::CreateNew).unwrap();
    file.write_at(b"x", 3).unwrap();
    let mut bytes = [1; 4];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 4);
    assert_eq!(&bytes, &[0, 0, 0, b'x']);
}

#[test]
fn names_are_listed_in_order_renamed_and_removed() {
    let scratch = Scratch::new("names");
    write_file(&scratch.path("b"), b"1");
    write_file(&scratch.path("a"), b"2");
    OsDisk.rename(&scratch.path("b"), &scratch.path("c")).unwrap();
    OsDisk.sync_dir(&scratch.0).unwrap();
    assert_eq!(OsDisk.list(&scratch.0).unwrap(), ["a", "c"]);
    OsDisk.remove(&scratch.path("a")).unwrap();
    assert_eq!(OsDisk.list(&scratch.0).unwrap(), ["c"]);
}

#[test]
fn a_missing_file_is_told_from_other_errors() {
    let scratch = Scratch::new("missing");
    let error = OsDisk.open(&scratch.path("a"), Mode::Read).unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.operation, Operation::Open);
    assert_eq!(error.path, scratch.path("a"));
    assert!(OsDisk.list(&scratch.path("d")).unwrap_err().is_not_found());
    assert!(OsDisk.remove(&scratch.path("a")).unwrap_err().is_not_found());
}

#[test]
fn a_new_file_never_replaces_one() {
    let scratch = Scratch::new("new");
    write_file(&scratch.path("a"), b"1");
    let error = OsDisk.open(&scratch.path("a"), Mode::CreateNew).unwrap_err();
    assert!(error.to_string().ends_with("something else has this name; move it away"), "{error}");
}

#[test]
fn a_lock_keeps_others_out_until_it_is_dropped() {
    let scratch = Scratch::new("lock");
    let lock = OsDisk.lock(&scratch.path("LOCK")).unwrap();
    let refused: Error = OsDisk.lock(&scratch.path("LOCK")).unwrap_err();
    assert!(refused.is_held());
    assert!(refused.to_string().contains("held by another process"), "{refused}");
    drop(lock);
    OsDisk.lock(&scratch.path("LOCK")).unwrap();
}

#[test]
fn a_directory_that_is_created_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("mode");
    OsDisk.create_dir_all(&scratch.path("a/b")).unwrap();
    for name in ["a", "a/b"] {
        let mode = std::fs::metadata(scratch.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{name}");
    }
    std::fs::set_permissions(scratch.path("a"), PermissionsExt::from_mode(0o750)).unwrap();
    OsDisk.create_dir_all(&scratch.path("a/b")).unwrap();
    let mode = std::fs::metadata(scratch.path("a")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o750, "what exists is left as its owner wants it");
}

#[test]
fn free_space_is_told_of_what_exists() {
    let scratch = Scratch::new("free");
    assert!(OsDisk.free_bytes(&scratch.0).unwrap() > 0, "this test has written files here");
    let error = OsDisk.free_bytes(&scratch.path("missing")).unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.operation, Operation::FreeSpace);
}

#[test]
fn a_file_that_is_renamed_open_goes_on_under_its_new_name() {
    let scratch = Scratch::new("rename-open");
    let mut file = OsDisk.open(&scratch.path("a"), Mode::CreateNew).unwrap();
    let directory = OsDisk.open_dir(&scratch.0).unwrap();
    OsDisk.rename_open(&mut file, &scratch.path("b")).unwrap();
    directory.sync().unwrap();
    file.write_at(b"x", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(OsDisk.list(&scratch.0).unwrap(), ["b"]);
    assert_eq!(std::fs::read(scratch.path("b")).unwrap(), b"x");
}

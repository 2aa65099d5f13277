//! A directory of backups: what is made there, what goes, and what never does.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use store::Put;

use super::*;
use crate::node::{Node, WriteOptions, testing};

const TIMEOUT: Duration = Duration::from_secs(10);

/// 2026-08-04T12:00:00Z.
const NOON_MS: u64 = 1_785_844_800_000;

/// A directory of a test's own, which goes with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("raftkv-backups-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn open(&self, maker: &str) -> Result<BackupDirectory, BackupError> {
        BackupDirectory::open(&self.0, Maker::new(maker).unwrap())
    }

    /// Names that do not begin with a dot, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A member with something in it, and the bytes of its backups.
struct Source(Node);

impl Source {
    fn new() -> Source {
        Source(testing::single())
    }

    /// Of a state that is newer each time.
    async fn backup(&self) -> Vec<u8> {
        let options = WriteOptions { timeout: TIMEOUT, forward: false };
        self.0.write(Put::new("k", "v").into(), options).await.unwrap();
        let mut backup = self.0.backup(TIMEOUT).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = backup.next_piece() {
            bytes.extend(piece);
        }
        bytes
    }
}

fn make(directory: &BackupDirectory, now_ms: u64, bytes: &[u8]) -> Result<KeptBackup, BackupError> {
    let mut draft = directory.draft(now_ms, 0)?;
    draft.write(bytes)?;
    draft.finish()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn so_many_are_kept_and_they_are_the_newest() {
    let (scratch, source) = (Scratch::new(), Source::new());
    let directory = scratch.open("a").unwrap();
    let mut known = KnownFiles::default();
    let mut made = Vec::new();
    for hour in 0..5 {
        let bytes = source.backup().await;
        made.push(make(&directory, NOON_MS + hour, &bytes).unwrap());
        let found = directory.retain(2, made.last().unwrap(), &mut known).unwrap();
        assert_eq!(found.kept.len(), made.len().min(2));
        assert_eq!(found.kept[0], *made.last().unwrap());
    }
    let left: Vec<String> = made[3..].iter().map(|kept| name_of(&kept.path)).collect();
    assert_eq!(scratch.names(), left);
}

#[tokio::test]
async fn a_clock_that_goes_back_costs_no_newer_backup() {
    let (scratch, source) = (Scratch::new(), Source::new());
    let directory = scratch.open("a").unwrap();
    let mut known = KnownFiles::default();
    let (first, second, third) =
        (source.backup().await, source.backup().await, source.backup().await);
    let old = make(&directory, NOON_MS, &first).unwrap();
    make(&directory, NOON_MS - 1_000, &second).unwrap();
    let newest = make(&directory, NOON_MS - 2_000, &third).unwrap();
    let found = directory.retain(2, &newest, &mut known).unwrap();
    assert_eq!(found.removed, [old.path], "it holds the least, whatever its name says");
    assert_eq!(found.kept[0], newest);
    // Two at one moment have two names.
    let again = make(&directory, NOON_MS - 2_000, &third).unwrap();
    assert_ne!(again.path, newest.path);
}

#[tokio::test]
async fn what_is_not_its_own_or_not_sound_stays() {
    let (scratch, source) = (Scratch::new(), Source::new());
    let bytes = source.backup().await;
    let other = scratch.open("b").unwrap();
    let others = name_of(&make(&other, NOON_MS, &bytes).unwrap().path);
    let directory = scratch.open("a").unwrap();
    let damaged = make(&directory, NOON_MS, &bytes).unwrap().path;
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    fs::write(&damaged, flipped).unwrap();
    fs::write(scratch.0.join("a-monday.raftkv-backup"), "somebody's").unwrap();
    let foreign = "a-20260804T110000.000Z.raftkv-backup";
    fs::write(scratch.0.join(foreign), "no backup at all").unwrap();
    let stale = "a-20260804T120000.000Z.raftkv-backup.partial";
    let others_draft = "b-20260804T120000.000Z.raftkv-backup.partial";
    drop(directory);
    for name in [stale, others_draft] {
        fs::write(scratch.0.join(name), "half").unwrap();
    }
    let directory = scratch.open("a").unwrap();

    let mut known = KnownFiles::default();
    let first = make(&directory, NOON_MS + 1, &source.backup().await).unwrap();
    let newest = make(&directory, NOON_MS + 2, &source.backup().await).unwrap();
    let found = directory.retain(1, &newest, &mut known).unwrap();
    assert_eq!(found.removed, [first.path]);
    assert_eq!(found.unsound.len(), 2, "{found:?}");
    let mut left = [
        name_of(&damaged),
        foreign.to_owned(),
        name_of(&newest.path),
        "a-monday.raftkv-backup".to_owned(),
        others,
        others_draft.to_owned(),
    ];
    left.sort();
    assert_eq!(scratch.names(), left, "only what it left unfinished itself is gone");
}

#[tokio::test]
async fn what_is_not_whole_never_gets_a_name() {
    let (scratch, source) = (Scratch::new(), Source::new());
    let directory = scratch.open("a").unwrap();
    let bytes = source.backup().await;
    let cut_off = make(&directory, NOON_MS, &bytes[..bytes.len() - 1]);
    assert!(matches!(cut_off, Err(BackupError::Unsound(_))), "{cut_off:?}");
    let mut draft = directory.draft(NOON_MS, 0).unwrap();
    draft.write(&bytes[..100]).unwrap();
    assert_eq!(scratch.names().len(), 1, "under the name of a draft");
    drop(draft);
    assert_eq!(scratch.names(), [""; 0]);
}

#[tokio::test]
async fn one_process_at_a_time_makes_backups_under_a_name() {
    let scratch = Scratch::new();
    let held = scratch.open("a").unwrap();
    let second = scratch.open("a");
    assert!(matches!(&second, Err(BackupError::InUse { maker, .. }) if maker == "a"), "{second:?}");
    let _other = scratch.open("b").unwrap();
    drop(held);
    scratch.open("a").unwrap();
}

#[test]
fn a_directory_that_is_not_there_is_not_made() {
    let scratch = Scratch::new();
    let path = scratch.0.join("share");
    let opened = BackupDirectory::open(&path, Maker::new("a").unwrap());
    assert!(matches!(opened, Err(BackupError::Target { .. })), "{opened:?}");
    assert!(!path.exists());
    fs::write(&path, "a file").unwrap();
    let opened = BackupDirectory::open(&path, Maker::new("a").unwrap());
    assert!(matches!(opened, Err(BackupError::Target { .. })), "{opened:?}");
}

#[tokio::test]
async fn room_is_left_for_the_member_on_its_own_disk() {
    let (scratch, source) = (Scratch::new(), Source::new());
    let directory = scratch.open("a").unwrap();
    assert!(directory.shares_disk_with(&scratch.0));
    let mut draft = directory.draft(NOON_MS, u64::MAX).unwrap();
    let refused = draft.write(&source.backup().await);
    assert!(matches!(refused, Err(BackupError::NoRoom { .. })), "{refused:?}");
    drop(draft);
    assert_eq!(scratch.names(), [""; 0]);
}

//! What a later version wrote is refused by a name of its own, and whoever meets it is told what to
//! do (docs/format/versions.md). It is never taken for damage, and never changed.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use disk::{Disk, File, Mode, SimDisk};
use wal::snapshot::{SnapshotError, SnapshotMeta, Snapshots};
use wal::{Batch, DataDirectory, DirectoryError, HardState, OpenError, Wal};

use crate::support::{LOG, OPTIONS, entry};

const SNAPSHOTS: &str = "/data/snapshots";

/// Where the headers of a segment and of a snapshot have their version, and their checksum.
const VERSION_AT: usize = 8;
const CHECKSUM_AT: usize = 12;

/// Where a segment's header ends.
const SEGMENT_HEADER_BYTES: usize = 4096;

const ADVICE: &str = "use a newer program";

fn read(disk: &SimDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, Mode::Read).unwrap();
    let mut bytes = vec![0; file.size_bytes().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

fn write(disk: &SimDisk, path: &Path, bytes: &[u8]) {
    let file = disk.open(path, Mode::ReadWrite).unwrap();
    file.write_at(bytes, 0).unwrap();
}

/// The file's header says that it is of a later version, and is sound.
fn raise_version(disk: &SimDisk, path: &Path, header_bytes: usize) {
    let mut bytes = read(disk, path);
    bytes[VERSION_AT..CHECKSUM_AT].copy_from_slice(&99_u32.to_le_bytes());
    let before = crc32c::crc32c(&bytes[..CHECKSUM_AT]);
    let checksum = crc32c::crc32c_append(before, &bytes[CHECKSUM_AT + 4..header_bytes]);
    bytes[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&checksum.to_le_bytes());
    write(disk, path, &bytes);
}

#[test]
fn a_segment_of_a_later_version() {
    let disk = SimDisk::new();
    let log = Path::new(LOG);
    let (mut wal, _) = Wal::open(disk.clone(), log, OPTIONS, &mut |_| {}).unwrap();
    let hard_state = HardState { term: 1, vote: Some(1), commit: 0 };
    wal.append(&[Batch::new(hard_state, vec![entry(1, 1, vec![7; 10])])]).unwrap();
    drop(wal);
    let segment = log.join(format!("{:020}.wal", 1));
    raise_version(&disk, &segment, SEGMENT_HEADER_BYTES);
    let before = read(&disk, &segment);
    let refused = Wal::open(disk.clone(), log, OPTIONS, &mut |_| {}).err().unwrap();
    assert!(matches!(refused, OpenError::UnknownVersion { found: 99, .. }), "{refused:?}");
    assert!(refused.to_string().contains(ADVICE), "{refused}");
    // Nor does the repair that a member's start tries take it for damage.
    let none = || Ok(Vec::new());
    let repaired = Wal::open_repairing(disk.clone(), log, OPTIONS, &none, &mut |_| {});
    assert!(matches!(repaired.err(), Some(OpenError::UnknownVersion { found: 99, .. })));
    assert_eq!(read(&disk, &segment), before, "its bytes stay as they are");
}

#[test]
fn a_directory_of_a_later_version() {
    let (disk, path) = (SimDisk::new(), Path::new("/data"));
    disk.create_dir_all(path).unwrap();
    drop(DataDirectory::open(disk.clone(), path, "node-1", || (7, 8)).unwrap());
    let identity = path.join("IDENTITY");
    let text = String::from_utf8(read(&disk, &identity)).unwrap();
    let (body, _) = text.split_once("checksum = ").unwrap();
    let body = body.replace("format 1\n", "format 9\n");
    let text = format!("{body}checksum = {:08x}\n", crc32c::crc32c(body.as_bytes()));
    write(&disk, &identity, text.as_bytes());
    let refused = DataDirectory::open(disk, path, "node-1", || (7, 8)).err().unwrap();
    assert!(matches!(refused, DirectoryError::UnknownVersion { found: 9, .. }), "{refused:?}");
    assert!(refused.to_string().contains(ADVICE), "{refused}");
}

/// One snapshot, written and then of a later version; its file.
fn snapshot_of_a_later_version(disk: &SimDisk) -> PathBuf {
    let configuration = Bytes::from_static(b"configuration");
    let meta = SnapshotMeta {
        cluster_id: 9,
        last: (1, 5),
        stamp_ms: 1,
        age_ms: 1,
        configuration_index: 1,
        configuration: configuration.clone(),
    };
    let mut snapshots = Snapshots::open(disk.clone(), Path::new(SNAPSHOTS)).unwrap();
    let mut writer = snapshots.create(meta).unwrap();
    writer.write_content(b"content").unwrap();
    let path = snapshots.finish(writer).unwrap().path.clone();
    raise_version(disk, &path, 88 + configuration.len());
    path
}

#[test]
fn a_snapshot_of_a_later_version() {
    let disk = SimDisk::new();
    let path = snapshot_of_a_later_version(&disk);
    let snapshots = Snapshots::open(disk.clone(), Path::new(SNAPSHOTS)).unwrap();
    let [skipped] = snapshots.skipped() else { panic!("{:?}", snapshots.skipped()) };
    let error = &skipped.error;
    assert!(matches!(error, SnapshotError::UnknownVersion { found: 99, .. }), "{error:?}");
    assert!(error.to_string().contains(ADVICE), "{error}");
    assert!(disk.open(&path, Mode::Read).is_ok(), "it is passed over, and not removed");
}

#[test]
fn a_backup_of_a_later_version() {
    let disk = SimDisk::new();
    let path = snapshot_of_a_later_version(&disk);
    let bytes = read(&disk, &path).len() as u64;
    let refused =
        wal::snapshot::SnapshotReader::open_part(&disk, &path, Some(bytes)).err().unwrap();
    assert!(matches!(refused, SnapshotError::UnknownVersion { found: 99, .. }), "{refused:?}");
}

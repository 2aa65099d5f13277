//! Snapshot files, found at start or received from a peer.
//!
//! The first byte chooses what is in the directory: the bytes of the input as a file; two sound
//! snapshots, damaged afterwards; a forged one, whose checksums are right; or one that comes from a
//! peer in pieces, some of them changed.

use std::path::Path;

use bytes::Bytes;
use disk::{Disk, File, Mode, SimDisk};
use wal::snapshot::{Incoming, SnapshotError, SnapshotInfo, SnapshotMeta, Snapshots};

use crate::Verdict;
use crate::input::Input;

const PLACE: &str = "/data/snapshots";
const CLUSTER_ID: u128 = 0xc1;

/// At most so many strikes of damage.
const STRIKES_MAX: usize = 3;

/// At most so many pieces come from a peer.
const PIECES_MAX: usize = 64;

pub(crate) fn run(bytes: &[u8]) -> Verdict {
    let mut input = Input::new(bytes);
    match input.below(4) {
        0 => given(input.rest()),
        1 => damaged(&mut input),
        2 => given(&forged(&mut input)),
        _ => received(&mut input),
    }
}

/// Whatever is believed can be read to its end.
fn given(file: &[u8]) -> Verdict {
    let disk = disk_with(&[(name((1, 5)), file)]);
    let snapshots = open(&disk);
    assert_eq!(snapshots.good().len() + snapshots.skipped().len(), 1, "one way or the other");
    match snapshots.good().first() {
        Some(info) => {
            assert_eq!((info.meta.last, info.bytes), ((1, 5), file.len() as u64));
            content(&snapshots, info).expect("a snapshot that was checked can be read");
            Verdict::Accepted
        }
        None => Verdict::Refused,
    }
}

/// Of two snapshots, those that are damaged are skipped, and no other.
fn damaged(input: &mut Input<'_>) -> Verdict {
    let sound = [(1, 5), (2, 9)].map(|last| (last, written(input, last)));
    let mut files = sound.clone();
    for _ in 0..input.below(STRIKES_MAX + 1) {
        let which = input.below(2);
        strike(input, &mut files[which].1);
    }
    let disk = disk_with(&files.each_ref().map(|(last, bytes)| (name(*last), &bytes[..])));
    let snapshots = open(&disk);
    let mut believed = 0;
    for ((last, before), (_, now)) in sound.iter().zip(&files) {
        assert_eq!(snapshots.find(*last).is_some(), before == now, "{last:?}");
        believed += usize::from(before == now);
    }
    assert_eq!(snapshots.skipped().len(), 2 - believed);
    if believed == 0 { Verdict::Refused } else { Verdict::Accepted }
}

/// A peer's snapshot arrives in pieces. It may lie about its size, and about any of the pieces.
fn received(input: &mut Input<'_>) -> Verdict {
    let sound = written(input, (2, 9));
    let mut file = sound.clone();
    for _ in 0..input.below(STRIKES_MAX) {
        strike(input, &mut file);
    }
    let disk = disk_with(&[]);
    let mut snapshots = open(&disk);
    let bytes_total = if input.chance(10) { input.special() } else { file.len() as u64 };
    let incoming = Incoming { sender: 3, life: 4, last: (2, 9), bytes_total };
    let taken = take_pieces(input, &mut snapshots, incoming, &file);
    assert_eq!(taken.is_ok(), snapshots.find((2, 9)).is_some());
    match taken {
        Ok(info) => {
            assert_eq!(file, sound, "a changed snapshot was believed");
            content(&snapshots, &info).expect("a snapshot that was checked can be read");
            Verdict::Accepted
        }
        Err(_) => Verdict::Refused,
    }
}

fn take_pieces(
    input: &mut Input<'_>,
    snapshots: &mut Snapshots<SimDisk>,
    incoming: Incoming,
    file: &[u8],
) -> Result<SnapshotInfo, SnapshotError> {
    let mut offset = snapshots.receive(incoming)?;
    let step = 1 + input.below(4_000).max(file.len() / PIECES_MAX);
    for _ in 0..=PIECES_MAX {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
        let piece = &file[start..(start + step).min(file.len())];
        if piece.is_empty() {
            break;
        }
        let told = if input.chance(40) { input.special() } else { offset };
        offset = snapshots.write_received(told, piece)?;
        if input.chance(20) {
            assert_eq!(snapshots.receive(incoming)?, offset, "it goes on where it was");
        }
    }
    snapshots.finish_received(CLUSTER_ID)
}

fn open(disk: &SimDisk) -> Snapshots<SimDisk> {
    Snapshots::open(disk.clone(), Path::new(PLACE)).expect("the disk is well")
}

fn name((term, index): (u64, u64)) -> String {
    format!("{index:020}-{term}.snapshot")
}

fn disk_with(files: &[(String, &[u8])]) -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new(PLACE)).expect("the disk is well");
    for (name, bytes) in files {
        let file = disk.open(&Path::new(PLACE).join(name), Mode::CreateNew).expect("a new name");
        file.write_at(bytes, 0).expect("the disk is well");
    }
    disk
}

/// A sound snapshot's file.
fn written(input: &mut Input<'_>, last: (u64, u64)) -> Vec<u8> {
    let mut snapshots = open(&SimDisk::new());
    let configuration = Bytes::from(vec![7; input.below(50)]);
    let meta = SnapshotMeta {
        cluster_id: CLUSTER_ID,
        last,
        stamp_ms: 6,
        age_ms: 8,
        configuration_index: last.1 / 2,
        configuration,
    };
    let mut writer = snapshots.create(meta).expect("the disk is well");
    for _ in 0..input.below(4) {
        let piece = vec![input.byte(); input.below(3_000)];
        writer.write_content(&piece).expect("the disk is well");
    }
    let info = snapshots.finish(writer).expect("the disk is well");
    let bytes = snapshots.read_raw(&info, 0, usize::MAX).expect("the disk is well");
    assert_eq!(bytes.len() as u64, info.bytes);
    bytes.to_vec()
}

fn content(snapshots: &Snapshots<SimDisk>, info: &SnapshotInfo) -> Result<Vec<u8>, SnapshotError> {
    let mut reader = snapshots.reader(info)?;
    let mut content = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        content.extend_from_slice(&chunk);
    }
    Ok(content)
}

fn strike(input: &mut Input<'_>, bytes: &mut Vec<u8>) {
    let start = input.below(bytes.len().clamp(1, 65_536));
    let end = (start + input.below(1_000)).min(bytes.len());
    match input.below(6) {
        0 | 1 if start < end => bytes[start] ^= 1 << input.below(8),
        2 if start < end => bytes[start] = input.byte(),
        3 => bytes.truncate(start),
        4 => drop(bytes.drain(start..end)),
        _ => bytes.extend_from_within(start..end),
    }
}

/// A file with any fields whose checksums are right: written in the plainest way, after
/// `docs/format/snapshot.md` alone.
fn forged(input: &mut Input<'_>) -> Vec<u8> {
    let mut made_up = |right: u64| if input.chance(30) { input.special() } else { right };
    let configuration = vec![7; 20];
    let header_length = made_up(88 + configuration.len() as u64) as u32;
    let mut header = Vec::from(*b"RAFTKVSN");
    header.extend((made_up(1) as u32).to_le_bytes());
    header.extend([0; 4]);
    header.extend(header_length.to_le_bytes());
    header.extend([0; 4]);
    header.extend(CLUSTER_ID.to_le_bytes());
    for right in [5, 1, 6, 8, 3, 0] {
        header.extend(made_up(right).to_le_bytes());
    }
    header.extend(configuration);
    let mut chain = crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..]);
    header[12..16].copy_from_slice(&chain.to_le_bytes());
    let mut file = header;
    let (chunks, mut content_bytes) = (input.below(4), 0);
    for _ in 0..chunks {
        let content = vec![input.byte(); input.below(300)];
        content_bytes += content.len() as u64;
        let length = if input.chance(30) { input.special() } else { content.len() as u64 } as u32;
        chain = put_piece(&mut file, chain, length, &content);
    }
    let mut footer = Vec::new();
    for right in [chunks as u64, content_bytes] {
        let field = if input.chance(30) { input.special() } else { right };
        footer.extend(field.to_le_bytes());
    }
    footer.extend(*b"RAFTKVSE");
    put_piece(&mut file, chain, 0, &footer);
    if input.chance(10) {
        file.extend(input.take(30));
    }
    file
}

/// A chunk or the footer: its length, its checksum, and the rest.
fn put_piece(file: &mut Vec<u8>, chain: u32, length: u32, rest: &[u8]) -> u32 {
    let checksum = crc32c::crc32c_append(crc32c::crc32c_append(chain, &length.to_le_bytes()), rest);
    file.extend(length.to_le_bytes());
    file.extend(checksum.to_le_bytes());
    file.extend(rest);
    checksum
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let plan = |mode: u8, seed: u64| {
        let mut random = crate::Random::new(seed);
        // Every other plan makes nothing up, since small bytes are never one in so many.
        let limit = if seed.is_multiple_of(2) { 9 } else { 256 };
        let bytes = (0..120).map(|_| random.below(limit) as u8);
        [mode].into_iter().chain(bytes).collect()
    };
    let plans = (0..24).map(|seed| plan(1 + (seed % 3) as u8, seed / 3));
    let given = [vec![0], written(&mut Input::new(&[9; 20]), (1, 5))].concat();
    plans.chain([given]).collect()
}

//! A write that went astray leaves a sound frame in the place of another: whoever reads there must
//! not take the one for the other.

use std::path::{Path, PathBuf};

use disk::{Disk, File, Mode, SimDisk};
use wal::{Batch, Damage, HardState, ReadError, Wal};

use crate::support::{LOG, OPTIONS, entry};

/// The unit in which frames are written, in bytes.
const BLOCK: u64 = 4 << 10;

/// A log in use whose entries 1, 2 and 3 stand in frames of their own, a block each.
fn three_frames(disk: &SimDisk) -> Wal<SimDisk> {
    let (mut wal, _) = Wal::open(disk.clone(), Path::new(LOG), OPTIONS, &mut |_| {}).unwrap();
    for index in 1..=3 {
        let hard_state = HardState { term: 1, vote: None, commit: 0 };
        wal.append(&[Batch::new(hard_state, vec![entry(index, 1, "x")])]).unwrap();
    }
    wal
}

fn only_segment(disk: &SimDisk) -> PathBuf {
    let names = disk.list(Path::new(LOG)).unwrap();
    let segment = names.iter().find(|name| name.ends_with(".wal")).unwrap();
    Path::new(LOG).join(segment)
}

#[test]
fn a_frame_in_the_place_of_another_is_corruption_to_a_reader() {
    let disk = SimDisk::new();
    let mut wal = three_frames(&disk);
    let file = disk.open(&only_segment(&disk), Mode::ReadWrite).unwrap();
    let mut third = vec![0; BLOCK as usize];
    file.read_at(&mut third, 3 * BLOCK).unwrap();
    file.write_at(&third, BLOCK).unwrap();

    let error = wal.read(1, 3, usize::MAX).unwrap_err();
    let ReadError::Corrupt(corruption) = error else { panic!("{error}") };
    assert_eq!((corruption.offset, corruption.damage), (BLOCK, Damage::Chain));
    assert_eq!(wal.read(2, 3, usize::MAX).unwrap().len(), 2, "the others are sound");
}

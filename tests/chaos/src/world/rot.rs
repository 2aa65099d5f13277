//! One bit of a file at rest turns over.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// Files whose bits may turn over: the log's segments and the snapshots.
const ENDS: [&str; 2] = ["wal", "snapshot"];

/// Turns one over below a stopped member's data directory; says where. None if there is no file.
pub(crate) fn turn_a_bit(data: &Path, random: &mut Rng) -> Option<String> {
    let mut files: Vec<PathBuf> =
        ["wal", "snapshots"].iter().flat_map(|name| files(&data.join(name))).collect();
    files.sort();
    let path = random.choice(files)?;
    let length = fs::metadata(&path).ok()?.len();
    let (offset, bit) = (random.u64(..length), random.u32(..8));
    let file = File::options().read(true).write(true).open(&path).ok()?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).ok()?;
    byte[0] ^= 1 << bit;
    file.write_all_at(&byte, offset).ok()?;
    file.sync_data().ok()?;
    Some(format!("bit {bit} of byte {offset} of {}", path.file_name()?.to_string_lossy()))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let counts = |path: &PathBuf| {
        let known = path.extension().is_some_and(|end| ENDS.iter().any(|known| end == *known));
        known && fs::metadata(path).is_ok_and(|about| about.len() > 0)
    };
    paths.filter(counts).collect()
}

#[cfg(test)]
mod tests {
    use system_tests::scratch::Scratch;

    use super::*;

    #[test]
    fn one_bit_is_another_one() {
        let scratch = Scratch::new();
        let log = scratch.path().join("wal");
        fs::create_dir(&log).unwrap();
        let file = log.join("1.wal");
        fs::write(&file, [0; 64]).unwrap();
        let mut random = Rng::with_seed(1);
        let said = turn_a_bit(scratch.path(), &mut random).unwrap();
        assert!(said.ends_with("1.wal"), "{said}");
        let ones: u32 = fs::read(&file).unwrap().iter().map(|byte| byte.count_ones()).sum();
        assert_eq!(ones, 1);
        fs::remove_file(&file).unwrap();
        assert_eq!(turn_a_bit(scratch.path(), &mut random), None);
    }
}

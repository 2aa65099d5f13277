//! Backups as `etcdctl snapshot save` leaves them: ours, with zeros, its length and a digest behind
//! it (docs/format/snapshot.md).

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The digest at the end.
const DIGEST_BYTES: u64 = 32;

/// The length before it.
const LENGTH_BYTES: u64 = 8;

/// What is before the digest has a multiple of so many bytes.
const PAGE_BYTES: u64 = 512;

/// The most of the file that is in memory at once.
const CHUNK_BYTES: usize = 1 << 20;

/// How many bytes of the file are the backup; none if it is not wrapped, and all of it is.
pub(super) fn content_bytes(path: &Path) -> io::Result<Option<u64>> {
    let mut file = File::open(path)?;
    let whole = file.metadata()?.len();
    let Some(before) = whole.checked_sub(DIGEST_BYTES).filter(|before| before % PAGE_BYTES == 0)
    else {
        return Ok(None);
    };
    if before < PAGE_BYTES {
        return Ok(None);
    }
    let mut length = [0; LENGTH_BYTES as usize];
    file.seek(SeekFrom::Start(before - LENGTH_BYTES))?;
    file.read_exact(&mut length)?;
    let mut digest = [0; DIGEST_BYTES as usize];
    file.read_exact(&mut digest)?;
    let content = u64::from_be_bytes(length);
    let padded = content.checked_add(LENGTH_BYTES);
    let padded = padded.and_then(|bytes| bytes.checked_next_multiple_of(PAGE_BYTES));
    let fits = padded == Some(before);
    Ok((fits && digest_of(&mut file, before)? == digest).then_some(content))
}

/// The digest of the first so many bytes.
fn digest_of(file: &mut File, bytes: u64) -> io::Result<[u8; DIGEST_BYTES as usize]> {
    file.seek(SeekFrom::Start(0))?;
    let mut part = file.take(bytes);
    let (mut digest, mut chunk) = (Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        match part.read(&mut chunk)? {
            0 => return Ok(digest.finalize().into()),
            count => digest.update(&chunk[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A file with these bytes, which goes with the test.
    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn with(name: &str, bytes: &[u8]) -> Scratch {
            let path = std::env::temp_dir().join(format!("raftkv-{}-{name}", std::process::id()));
            File::create(&path).unwrap().write_all(bytes).unwrap();
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            std::fs::remove_file(&self.0).ok();
        }
    }

    fn wrapped(content: &[u8]) -> Vec<u8> {
        let mut bytes = content.to_vec();
        bytes.resize((content.len() + 8).next_multiple_of(512) - 8, 0);
        bytes.extend_from_slice(&(content.len() as u64).to_be_bytes());
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }

    #[test]
    fn what_is_wrapped_says_how_much_of_it_counts() {
        for length in [1, 504, 505, 5_000] {
            let file = Scratch::with(&format!("whole-{length}"), &wrapped(&vec![7; length]));
            assert_eq!(content_bytes(&file.0).unwrap(), Some(length as u64));
        }
    }

    #[test]
    fn what_is_damaged_or_something_else_is_not_wrapped() {
        let mut flipped = wrapped(&[7; 5_000]);
        flipped[100] ^= 1;
        let mut length = wrapped(&[7; 5_000]);
        let at = length.len() - 33;
        length[at] ^= 1;
        let mut endless = vec![7; 544];
        endless[504..512].fill(0xff);
        for (name, bytes) in [
            ("flipped", &flipped[..]),
            ("length", &length),
            ("endless", &endless),
            ("zeros", &[0; 544]),
            ("short", b"abc"),
        ] {
            let file = Scratch::with(name, bytes);
            assert_eq!(content_bytes(&file.0).unwrap(), None, "{name}");
        }
    }
}

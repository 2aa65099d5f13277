//! Backups as `etcdctl snapshot save` leaves them: ours, with zeros, its length and a digest behind
//! it ([`server::wrapping`]).

use std::io::{self, Read, Seek, SeekFrom};

use server::wrapping::{DIGEST_BYTES, LENGTH_BYTES, PAGE_BYTES, bytes_before_digest};
use sha2::{Digest as _, Sha256};

/// The most of the file that is in memory at once.
const CHUNK_BYTES: usize = 1 << 20;

/// How many bytes of the file are the backup; none if it is not wrapped, and all of it is.
pub(super) fn backup_bytes(file: &mut (impl Read + Seek)) -> io::Result<Option<u64>> {
    let whole = file.seek(SeekFrom::End(0))?;
    let before = whole.checked_sub(DIGEST_BYTES);
    let Some(before) = before.filter(|before| *before > 0 && before % PAGE_BYTES == 0) else {
        return Ok(None);
    };
    let mut length = [0; LENGTH_BYTES as usize];
    file.seek(SeekFrom::Start(before - LENGTH_BYTES))?;
    file.read_exact(&mut length)?;
    let mut digest = [0; DIGEST_BYTES as usize];
    file.read_exact(&mut digest)?;
    let backup_bytes = u64::from_be_bytes(length);
    let fits = bytes_before_digest(backup_bytes) == Some(before);
    Ok((fits && digest_of(file, before)? == digest).then_some(backup_bytes))
}

/// The digest of the first so many bytes.
fn digest_of(file: &mut (impl Read + Seek), bytes: u64) -> io::Result<[u8; DIGEST_BYTES as usize]> {
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
    use std::io::Cursor;

    use server::wrapping::ending;

    use super::*;

    fn found(bytes: &[u8]) -> Option<u64> {
        backup_bytes(&mut Cursor::new(bytes)).expect("memory is read")
    }

    fn wrapped(backup: &[u8]) -> Vec<u8> {
        let mut bytes = [backup, &ending(backup.len() as u64)].concat();
        bytes.extend_from_slice(&Sha256::digest(&bytes));
        bytes
    }

    #[test]
    fn what_is_wrapped_says_how_much_of_it_counts() {
        for length in [1, 504, 505, 5_000] {
            assert_eq!(found(&wrapped(&vec![7; length])), Some(length as u64));
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
            ("a digest alone", &[0; 32]),
            ("short", b"abc"),
        ] {
            assert_eq!(found(bytes), None, "{name}");
        }
    }
}

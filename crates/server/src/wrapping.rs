//! What is around a backup that etcd's clients take: written by the etcd door, read by the command
//! line (docs/format/snapshot.md).
//!
//! ```text
//! a backup │ zeros │ its length, 8 bytes │ SHA-256 of all before
//! └──────── a multiple of 512 bytes ─────┘
//! ```

/// What is before the digest has a multiple of so many bytes.
pub const PAGE_BYTES: u64 = 512;

/// The length of the backup, big-endian, takes so many.
pub const LENGTH_BYTES: u64 = 8;

/// The digest takes so many.
pub const DIGEST_BYTES: u64 = 32;

/// How many bytes are before the digest of a backup of so many; none if that is more than any file
/// has.
pub fn bytes_before_digest(backup_bytes: u64) -> Option<u64> {
    backup_bytes.checked_add(LENGTH_BYTES)?.checked_next_multiple_of(PAGE_BYTES)
}

/// What is between a backup of so many bytes and the digest.
///
/// # Panics
///
/// If no file has so many bytes.
pub fn ending(backup_bytes: u64) -> Vec<u8> {
    let whole = bytes_before_digest(backup_bytes).expect("it was sent, so it is shorter");
    let zeros = whole - LENGTH_BYTES - backup_bytes;
    let mut ending = vec![0; usize::try_from(zeros).expect("less than a page")];
    ending.extend_from_slice(&backup_bytes.to_be_bytes());
    ending
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_ends_on_a_page_and_says_what_it_was() {
        for bytes in [1, 503, 504, 505, 512, 513, 1 << 20] {
            let ending = ending(bytes);
            assert_eq!((bytes + ending.len() as u64) % PAGE_BYTES, 0, "{bytes}");
            assert_eq!(ending[ending.len() - 8..], bytes.to_be_bytes(), "{bytes}");
        }
    }
}

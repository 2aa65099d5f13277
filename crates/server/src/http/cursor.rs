//! The cursor of a listing: where the next page begins, and at which revision.
//!
//! It is opaque to clients and checked when it comes back. The check finds mistakes (a cut
//! string, a cursor of another listing), not malice: whoever forges one reads no key that is not in
//! the listing, for what it begins at before the listing begins is the listing's own beginning.
//!
//! | bytes | |
//! |---|---|
//! | 0..8 | XXH3-64 of the rest followed by what selects the listing's keys, big-endian |
//! | 8 | version, 1 |
//! | 9..17 | revision, big-endian |
//! | 17..25 | how many keys to pass over, big-endian |
//! | 25.. | the key to begin at |
//!
//! A key may be longer than fits in a URL. Then the cursor begins at a prefix of it, and passes
//! over the keys between: at one revision they stay the same.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use store::{Filter, KeyRange, RangeRequest, ReadError, Reader, Revision};
use xxhash_rust::xxh3::xxh3_64;

const VERSION: u8 = 1;
const CHECK_END: usize = 8;
const REVISION_START: usize = CHECK_END + 1;
const SKIP_START: usize = REVISION_START + 8;
const KEY_START: usize = SKIP_START + 8;

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Every page of one listing is read at this revision.
    pub(super) revision: Revision,
    /// The range of the page begins at this key,
    pub(super) start: Bytes,
    /// and so many of its keys are passed over.
    pub(super) skip: u64,
}

impl Cursor {
    /// Of a longer key a cursor holds only this much: in base64 it still fits in a URL.
    pub(super) const START_BYTES_MAX: usize = 32 << 10;

    /// The cursor of what follows `last`, a key that exists at `revision`, in a listing of the
    /// keys of `listed` that `filter` admits.
    pub(super) fn after(
        last: &Bytes,
        revision: Revision,
        (listed, filter): (&KeyRange, Filter),
        reader: &Reader,
    ) -> Result<Cursor, ReadError> {
        if last.len() <= Cursor::START_BYTES_MAX {
            return Ok(Cursor { revision, start: last.clone(), skip: 1 });
        }
        let start = last.slice(..Cursor::START_BYTES_MAX);
        let range = listed.up_to(start.clone(), last.clone());
        let before = RangeRequest {
            at: Some(revision),
            keys_only: true,
            filter,
            ..RangeRequest::new(range)
        };
        let skip = reader.range(&before)?.items.len() as u64 + 1;
        Ok(Cursor { revision, start, skip })
    }

    /// The text that a client sees; `scope` is that of the listing.
    pub(super) fn encode(&self, scope: &[u8]) -> String {
        let mut bytes = vec![0; CHECK_END];
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.revision.0.to_be_bytes());
        bytes.extend_from_slice(&self.skip.to_be_bytes());
        bytes.extend_from_slice(&self.start);
        let check = check(&bytes[CHECK_END..], scope);
        bytes[..CHECK_END].copy_from_slice(&check);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what `encode` wrote for the same scope; `None` for anything else.
    pub(super) fn decode(text: &[u8], scope: &[u8]) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (given, rest) = bytes.split_at_checked(CHECK_END)?;
        if given != check(rest, scope) || *rest.first()? != VERSION {
            return None;
        }
        let number =
            |from: usize| Some(u64::from_be_bytes(bytes.get(from..from + 8)?.try_into().ok()?));
        Some(Cursor {
            revision: Revision(number(REVISION_START)?),
            skip: number(SKIP_START)?,
            start: Bytes::copy_from_slice(bytes.get(KEY_START..)?),
        })
    }
}

fn check(rest: &[u8], scope: &[u8]) -> [u8; CHECK_END] {
    xxh3_64(&[rest, scope].concat()).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        Cursor { revision: Revision(7), start: Bytes::from_static(b"a/b\xff"), skip: 1 }
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        for prefix in [&b""[..], b"a/", b"\xff"] {
            let text = cursor().encode(prefix);
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            assert_eq!(Cursor::decode(text.as_bytes(), prefix), Some(cursor()));
        }
    }

    #[test]
    fn a_cursor_of_another_listing_is_refused() {
        assert_eq!(Cursor::decode(cursor().encode(b"a/").as_bytes(), b"b/"), None);
    }

    #[test]
    fn every_cut_and_every_changed_character_is_noticed() {
        let text = cursor().encode(b"a/");
        for at in 0..text.len() {
            assert_eq!(Cursor::decode(&text.as_bytes()[..at], b"a/"), None, "cut at {at}");
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(Cursor::decode(&changed, b"a/"), None, "changed at {at}");
        }
        assert_eq!(Cursor::decode(b"", b""), None);
        assert_eq!(Cursor::decode(b"not base64!", b""), None);
    }
}

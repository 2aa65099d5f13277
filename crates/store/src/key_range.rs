//! Which keys a command or a read is about.

use bytes::Bytes;

/// A set of keys, contiguous in byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRange {
    /// One key.
    Single(Bytes),
    /// Every key that begins with these bytes; all keys if there are none.
    Prefix(Bytes),
    /// This key and all that sort after it.
    From(Bytes),
    /// `start` and what sorts after it, up to but without `end`. Empty if `end <= start`.
    Between {
        /// The first key of the range.
        start: Bytes,
        /// The first key after the range.
        end: Bytes,
    },
}

impl KeyRange {
    /// Every key there is.
    pub fn all() -> KeyRange {
        KeyRange::From(Bytes::new())
    }

    /// Whether no key at all can be in it.
    pub fn is_empty(&self) -> bool {
        matches!(self, KeyRange::Between { start, end } if end <= start)
    }

    /// The part of this range from `start` on; all of it if that comes before it.
    pub fn rest_from(&self, start: Bytes) -> KeyRange {
        let Span { start: first, end } = self.span();
        let start = start.max(first);
        match end {
            None => KeyRange::From(start),
            Some(end) => KeyRange::Between { start, end },
        }
    }

    /// The part of this range from `start` on, or from its beginning, that is before `end`.
    pub fn up_to(&self, start: Bytes, end: Bytes) -> KeyRange {
        KeyRange::Between { start: start.max(self.span().start), end }
    }

    pub(crate) fn span(&self) -> Span {
        match self {
            KeyRange::Single(key) => {
                Span { start: key.clone(), end: Some([key.as_ref(), &[0]].concat().into()) }
            }
            KeyRange::Prefix(prefix) => {
                Span { start: prefix.clone(), end: prefix_end(prefix).map(Bytes::from) }
            }
            KeyRange::From(start) => Span { start: start.clone(), end: None },
            KeyRange::Between { start, end } => {
                Span { start: start.clone(), end: Some(end.clone()) }
            }
        }
    }
}

/// The first key after all those with this prefix: its last byte that can be raised is, and what
/// follows is dropped. None if no key sorts after them (no bytes, or 0xff throughout).
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let raised = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix[..=raised].to_vec();
    end[raised] += 1;
    Some(end)
}

/// A [`KeyRange`] reduced to its two ends: `start <= key < end`, unbounded above without `end`.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) start: Bytes,
    end: Option<Bytes>,
}

impl Span {
    /// The first key after the range, if any is.
    pub(crate) fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }

    /// Whether `key` sorts before the end; says nothing of the start.
    pub(crate) fn reaches(&self, key: &[u8]) -> bool {
        self.end.as_ref().is_none_or(|end| key < end)
    }

    /// Whether it holds every key of `from..to`; without `to`, every key from `from` on.
    pub(crate) fn covers(&self, from: &[u8], to: Option<&[u8]>) -> bool {
        let reaches_to = match (&self.end, to) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(end), Some(to)) => to <= end,
        };
        self.start <= from && reaches_to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_key_that_lacks_it() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(prefix_end(b"\xff\xff"), None);
        assert_eq!(prefix_end(b""), None);
    }

    #[test]
    fn a_span_covers_a_stretch_only_if_both_ends_are_inside() {
        let span = KeyRange::Between { start: "b".into(), end: "d".into() }.span();
        assert!(span.covers(b"b", Some(b"d")) && span.covers(b"c", Some(b"c\0")));
        assert!(!span.covers(b"a", Some(b"c")), "begins before it");
        assert!(!span.covers(b"c", Some(b"d\0")), "ends after it");
        assert!(!span.covers(b"c", None), "has no end");
        assert!(KeyRange::all().span().covers(b"", None));
    }
}

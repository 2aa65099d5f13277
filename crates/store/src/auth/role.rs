//! One role: ranges of keys, and what may be done with them.
//!
//! Ranges are written as etcd writes them: a key alone, a key and the first key after the range, or
//! a key and `\0` for all keys from it on. What is asked for must lie within what is granted as a
//! whole, and several grants, of several roles too, add up.

use std::collections::BTreeMap;
use std::mem::size_of;

use bytes::Bytes;

use crate::hash;
use crate::key_range::{KeyRange, Span};

/// What a permission permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading, watching, comparing.
    Read,
    /// Writing and deleting, without being told what was there.
    Write,
    /// Both.
    ReadWrite,
}

/// A range of keys, and what may be done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// What.
    pub access: Access,
    /// The first key.
    pub key: Bytes,
    /// Empty for that key alone; a single zero byte for all keys from it on; else the first key
    /// after the range.
    pub range_end: Bytes,
}

/// A role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    permissions: BTreeMap<(Bytes, Bytes), Access>,
    reads: Spans,
    writes: Spans,
}

impl Access {
    fn reads(self) -> bool {
        matches!(self, Access::Read | Access::ReadWrite)
    }

    fn writes(self) -> bool {
        matches!(self, Access::Write | Access::ReadWrite)
    }

    /// As it is encoded, here and in snapshots; etcd's numbers.
    pub(crate) fn number(self) -> u32 {
        match self {
            Access::Read => 0,
            Access::Write => 1,
            Access::ReadWrite => 2,
        }
    }

    pub(crate) fn of(number: u32) -> Option<Access> {
        Some(match number {
            0 => Access::Read,
            1 => Access::Write,
            2 => Access::ReadWrite,
            _ => return None,
        })
    }
}

impl Permission {
    /// To do this with these keys.
    pub fn new(access: Access, range: &KeyRange) -> Permission {
        let span = range.span();
        let range_end = match (range, span.end()) {
            (KeyRange::Single(_), _) => Bytes::new(),
            (_, None) => Bytes::from_static(&[0]),
            (_, Some(end)) => Bytes::copy_from_slice(end),
        };
        // etcd's tools write "all keys" so: no key is empty, and this is the first there could be.
        let key = if span.start.is_empty() { Bytes::from_static(&[0]) } else { span.start };
        Permission { access, key, range_end }
    }

    /// The keys.
    pub fn range(&self) -> KeyRange {
        match &*self.range_end {
            [] => KeyRange::Single(self.key.clone()),
            [0] => KeyRange::From(self.key.clone()),
            _ => KeyRange::Between { start: self.key.clone(), end: self.range_end.clone() },
        }
    }
}

impl Role {
    /// A role of these permissions.
    pub(crate) fn of(permissions: Vec<Permission>) -> Role {
        let by_range =
            |Permission { access, key, range_end }: Permission| ((key, range_end), access);
        let permissions = permissions.into_iter().map(by_range).collect();
        let mut role = Role { permissions, ..Role::default() };
        role.sum_up();
        role
    }

    /// The permissions, by key and end of range.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> {
        self.permissions.iter().map(|((key, range_end), access)| Permission {
            access: *access,
            key: key.clone(),
            range_end: range_end.clone(),
        })
    }

    /// Takes a permission in; one of the same range is replaced.
    pub(super) fn grant(&mut self, permission: Permission) {
        let Permission { access, key, range_end } = permission;
        self.permissions.insert((key, range_end), access);
        self.sum_up();
    }

    /// Takes the permission of exactly this range away; whether there was one.
    pub(super) fn revoke(&mut self, key: &Bytes, range_end: &Bytes) -> bool {
        let found = self.permissions.remove(&(key.clone(), range_end.clone())).is_some();
        self.sum_up();
        found
    }

    fn sum_up(&mut self) {
        let spans = |wanted: fn(Access) -> bool| {
            Spans::of(self.permissions().filter(|granted| wanted(granted.access)))
        };
        (self.reads, self.writes) = (spans(Access::reads), spans(Access::writes));
    }

    /// How far from `key` on everything may be read, if the key may.
    pub(super) fn readable_from(&self, key: &[u8]) -> Option<Reach> {
        self.reads.reach(key)
    }

    /// How far from `key` on everything may be written, if the key may.
    pub(super) fn writable_from(&self, key: &[u8]) -> Option<Reach> {
        self.writes.reach(key)
    }

    /// What it takes in memory, about: each range is there twice or three times.
    pub(super) fn bytes(&self, name: &str) -> u64 {
        let ranges = self.permissions.keys();
        let ranges: usize = ranges.map(|(key, end)| 256 + 3 * (key.len() + end.len())).sum();
        (size_of::<Role>() + name.len() + ranges) as u64
    }

    /// The item of the state hash.
    pub(super) fn item(&self, name: &str) -> u64 {
        let permissions = self.permissions.iter().flat_map(|((key, range_end), access)| {
            let access: &[u8] = match access {
                Access::Read => b"\0",
                Access::Write => b"\x01",
                Access::ReadWrite => b"\x02",
            };
            [&key[..], &range_end[..], access]
        });
        hash::role_item(name.as_bytes(), hash::list(permissions))
    }
}

/// Up to where a stretch of keys goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Up to but without this key.
    To(Bytes),
    /// To the last key there could be.
    End,
}

impl Reach {
    /// Whichever goes further.
    pub(super) fn further(self, other: Reach) -> Reach {
        match (self, other) {
            (Reach::To(one), Reach::To(other)) => Reach::To(one.max(other)),
            _ => Reach::End,
        }
    }
}

/// Stretches of keys, in order, with gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Spans(Vec<(Bytes, Reach)>);

impl Spans {
    fn of(permissions: impl Iterator<Item = Permission>) -> Spans {
        let mut spans = Spans::default();
        // They come by their first keys.
        for permission in permissions {
            let range = permission.range();
            if !range.is_empty() {
                spans.push(&range.span());
            }
        }
        spans
    }

    fn push(&mut self, span: &Span) {
        let reach = match span.end() {
            Some(end) => Reach::To(Bytes::copy_from_slice(end)),
            None => Reach::End,
        };
        match self.0.last_mut() {
            Some((_, last)) if touches(last, &span.start) => {
                *last = last.clone().further(reach);
            }
            _ => self.0.push((span.start.clone(), reach)),
        }
    }

    /// How far the stretch goes that has this key.
    fn reach(&self, key: &[u8]) -> Option<Reach> {
        let after = self.0.partition_point(|(start, _)| **start <= *key);
        let (_, reach) = self.0.get(after.checked_sub(1)?)?;
        let has_key = match reach {
            Reach::To(end) => *key < **end,
            Reach::End => true,
        };
        has_key.then(|| reach.clone())
    }
}

fn touches(reach: &Reach, start: &Bytes) -> bool {
    match reach {
        Reach::To(end) => start <= end,
        Reach::End => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(ranges: &[(&'static str, &'static str)]) -> Role {
        let mut role = Role::default();
        for (key, range_end) in ranges {
            let (key, range_end) = (Bytes::from(*key), Bytes::from(*range_end));
            role.grant(Permission { access: Access::Read, key, range_end });
        }
        role
    }

    fn to(end: &'static str) -> Option<Reach> {
        Some(Reach::To(end.into()))
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let role = role(&[("b", "d"), ("a", ""), ("a\0", "b"), ("f", "g"), ("c", "e")]);
        assert_eq!(role.readable_from(b"a"), to("e"));
        assert_eq!(role.readable_from(b"d"), to("e"));
        assert_eq!(role.readable_from(b"e"), None, "the end is not in it");
        assert_eq!(role.readable_from(b"f"), to("g"));
        assert_eq!(role.writable_from(b"a"), None, "reading is not writing");
    }

    #[test]
    fn every_range_is_written_as_etcd_writes_it() {
        let written = |range: KeyRange| {
            let granted = Permission::new(Access::Read, &range);
            assert_eq!(granted.range().span().end(), range.span().end());
            (granted.key, granted.range_end)
        };
        assert_eq!(written(KeyRange::Single("a".into())), ("a".into(), "".into()));
        assert_eq!(written(KeyRange::Prefix("a".into())), ("a".into(), "b".into()));
        assert_eq!(written(KeyRange::Prefix("".into())), ("\0".into(), "\0".into()));
        assert_eq!(written(KeyRange::From("a".into())), ("a".into(), "\0".into()));
    }

    #[test]
    fn a_key_alone_is_no_range() {
        let role = role(&[("k", "")]);
        assert_eq!(role.readable_from(b"k"), to("k\0"));
        assert_eq!(role.readable_from(b"k\0"), None);
        assert_eq!(role.readable_from(b"j"), None);
    }

    #[test]
    fn from_a_key_on_has_no_end_and_swallows_the_rest() {
        let role = role(&[("k", "\0"), ("m", "n")]);
        assert_eq!(role.readable_from(b"zzz"), Some(Reach::End));
        assert_eq!(role.readable_from(b"j"), None);
    }

    #[test]
    fn a_range_that_ends_before_it_begins_grants_nothing() {
        let role = role(&[("k", "a")]);
        assert_eq!(role.readable_from(b"k"), None);
        assert_eq!(role.readable_from(b"b"), None);
        assert_eq!(role.permissions().count(), 1);
    }

    #[test]
    fn a_revoked_range_is_gone() {
        let mut role = role(&[("a", "c"), ("b", "d")]);
        assert!(!role.revoke(&"a".into(), &"d".into()), "no range of a grant");
        assert!(role.revoke(&"a".into(), &"c".into()));
        assert_eq!(role.readable_from(b"a"), None);
        assert_eq!(role.readable_from(b"b"), to("d"));
    }
}

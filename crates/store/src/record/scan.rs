//! The fields of a record in the order of their names, a page at a time.
//!
//! Keys lie in the tree in the order of their bytes, and that is the order of the names they stand
//! for, but for one thing: a name's slash is a key's `%2F`, which sorts before `&` to `.`, where
//! the slash sorts after them. So where a key has a `%2F` its neighbours are read in three
//! stretches:
//!
//! ```text
//!   keys     a#  a%25  a%2Fx  a%2Fy  a&  a.  a0  b        as they lie in the tree
//!   names    a#  a%    a/x    a/y    a&  a.  a0  b
//!            ────────  │ 2nd        │ 1st  │ 3rd           and as they are read
//! ```
//!
//! A stretch within a stretch may be cut like that again. What begins with a page's first name is
//! found the same way from the other end: every place in that name where a slash could have sorted
//! later leaves two stretches for afterwards, which are made when it is their turn.
//!
//! Keys that are no fields cost one step for all that share what makes them none, so that a
//! million keys `k/a/…` are passed at once.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::{Record, escaped, unescaped};
use crate::read::{PinLifted, Pinned};
use crate::types::{KeyValue, Revision};
use crate::version::{Versions, With};

/// What looking at a key costs beside its bytes.
const KEY_WORK_BYTES: usize = 64;
/// What the beginning of a stretch costs beside the bytes of its key.
const STRETCH_WORK_BYTES: usize = 256;

/// Which fields to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldsRequest {
    /// Only fields whose names begin with this.
    pub prefix: Bytes,
    /// From this field on, or from where it would be.
    pub from: Bytes,
    /// So many of them are passed over first.
    pub skip: usize,
    /// At most so many.
    pub limit: usize,
    /// No further field once so many bytes of names and values are told.
    pub told_bytes_max: usize,
    /// An end is made, wherever, after about so many bytes of keys were looked at: those of deleted
    /// fields and of others' keys count too.
    pub work_bytes_max: usize,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: Bytes,
    /// Its key, value and revisions.
    pub item: KeyValue,
}

/// Some fields in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The fields.
    pub fields: Vec<Field>,
    /// If not all was looked at: no further field comes before this name.
    pub next: Option<Bytes>,
}

impl Pinned {
    /// The fields of a record as they were then. Holds no lock for longer than one leaf takes.
    pub fn fields(&self, record: &Record, request: &FieldsRequest) -> Result<Fields, PinLifted> {
        self.still(Scan::new(self.revision(), record, request).run(self))
    }
}

/// Keys in a row whose names are in order, up to the first one that has a slash.
#[derive(Debug)]
struct Stretch {
    /// The next key to look at. Invariant: it has no `%2F` at or after `fixed`, so nothing that is
    /// still to be read has a name before the one it stands for.
    start: Vec<u8>,
    /// The first key behind it.
    end: Vec<u8>,
    /// All its keys have so many first bytes in common.
    fixed: usize,
}

/// A reading under way.
struct Scan<'a> {
    revision: Revision,
    record: &'a Record,
    request: &'a FieldsRequest,
    /// What is to be read next, the last first.
    stretches: Vec<Stretch>,
    /// What is to be read when those are over.
    climb: Climb,
    skip: usize,
    fields: Vec<Field>,
    told_bytes: usize,
    work_bytes: usize,
}

/// The stretches after all those that begin with a name, from the nearest to the farthest.
struct Climb {
    /// The name, as a key.
    from: Vec<u8>,
    /// What is after its first so many bytes was dealt with.
    upto: usize,
    /// What all keys that are wanted begin with is so long.
    root: usize,
    /// The first key after all those.
    end: Vec<u8>,
}

/// What a key is.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    Field,
    /// Its name has a slash here, after the fixed bytes; or there is no name between it and those.
    Slash(usize),
    /// It is no field, nor is any key before this one.
    Before(Vec<u8>),
}

/// Why the reading of a leaf was broken off.
enum Cut {
    End,
    Full(Bytes),
    Met(Vec<u8>, Met),
}

impl<'a> Scan<'a> {
    fn new(revision: Revision, record: &'a Record, request: &'a FieldsRequest) -> Scan<'a> {
        let climb = Climb::new(record, request);
        let stretches = climb.first().into_iter().collect();
        Scan {
            revision,
            record,
            request,
            stretches,
            climb,
            skip: request.skip,
            fields: Vec::new(),
            told_bytes: 0,
            work_bytes: 0,
        }
    }

    fn run(mut self, pinned: &Pinned) -> Fields {
        let mut next = None;
        while let Some(stretch) = self.next_stretch() {
            // A count of fields to pass over means nothing from another place on.
            if self.skip == 0 && self.work_bytes >= self.request.work_bytes_max {
                next = Some(self.name_of(&stretch.start));
                break;
            }
            self.work_bytes += STRETCH_WORK_BYTES + stretch.start.len();
            next = self.read_leaf(stretch, pinned);
            if next.is_some() {
                break;
            }
        }
        Fields { fields: self.fields, next }
    }

    fn next_stretch(&mut self) -> Option<Stretch> {
        loop {
            let Some(stretch) = self.stretches.pop() else {
                self.stretches.extend(self.climb.further()?);
                continue;
            };
            if stretch.start < stretch.end {
                return Some(stretch);
            }
        }
    }

    /// Reads what one leaf has of the stretch, and leaves what is to be read after that; the name
    /// of the next field if there is no room for that.
    fn read_leaf(&mut self, stretch: Stretch, pinned: &Pinned) -> Option<Bytes> {
        let mut cut = Cut::End;
        let visited = pinned.visit_leaf(&stretch.start, |key, versions| {
            match self.look(key, versions, &stretch) {
                None => ControlFlow::Continue(()),
                Some(reason) => {
                    cut = reason;
                    ControlFlow::Break(())
                }
            }
        });
        match (visited, cut) {
            (ControlFlow::Continue(Some(fence)), _) if *fence < *stretch.end => {
                let met = meet(&fence, stretch.fixed);
                self.go_on(stretch, fence.into_vec(), met);
            }
            (ControlFlow::Continue(_), _) | (ControlFlow::Break(()), Cut::End) => {}
            (ControlFlow::Break(()), Cut::Met(key, met)) => self.go_on(stretch, key, met),
            (ControlFlow::Break(()), Cut::Full(next)) => return Some(next),
        }
        None
    }

    /// Looks at a key of a leaf; a reason to look at no further one.
    fn look(&mut self, key: &[u8], versions: &Versions, stretch: &Stretch) -> Option<Cut> {
        if *key >= *stretch.end {
            return Some(Cut::End);
        }
        self.work_bytes += KEY_WORK_BYTES + key.len();
        let live = versions.live_at(self.revision)?;
        match meet(key, stretch.fixed) {
            Met::Field => {
                // The key that ends with the slash is a field without a name, which is none.
                let name = self.record.field_of(key)?;
                if self.skip > 0 {
                    self.skip -= 1;
                    return None;
                }
                if self.is_full() {
                    return Some(Cut::Full(name));
                }
                let item = live.key_value(key, With::Value)?;
                self.told_bytes += name.len() + item.value.len();
                self.fields.push(Field { name, item });
                None
            }
            met => Some(Cut::Met(key.to_vec(), met)),
        }
    }

    fn is_full(&self) -> bool {
        self.fields.len() >= self.request.limit || self.told_bytes >= self.request.told_bytes_max
    }

    /// What is left of a stretch from this key on.
    fn go_on(&mut self, stretch: Stretch, key: Vec<u8>, met: Met) {
        match met {
            Met::Field => self.stretches.push(Stretch { start: key, ..stretch }),
            Met::Before(start) => self.stretches.push(Stretch { start, ..stretch }),
            Met::Slash(at) => {
                let (before, fixed) = (&key[..at], stretch.fixed);
                self.stretches.push(Stretch { start: and(before, b"0"), ..stretch });
                self.stretches.push(slash(before));
                let (start, end) = (and(before, b"&"), and(before, b"/"));
                self.stretches.push(Stretch { start, end, fixed });
            }
        }
    }

    /// The name that the start of a stretch stands for.
    fn name_of(&self, start: &[u8]) -> Bytes {
        let rest = &start[self.record.prefix.len()..];
        unescaped(rest).expect("a stretch begins where a name may be").into()
    }
}

impl Climb {
    fn new(record: &Record, request: &FieldsRequest) -> Climb {
        let FieldsRequest { prefix, from, .. } = request;
        let wanted = |name: &[u8]| [&record.prefix[..], &escaped(name)].concat();
        let root = wanted(prefix);
        let end = after_all(&root);
        // Names before all that have the prefix, and names after all of them.
        let from = match from.starts_with(prefix) {
            true => wanted(from),
            false if from < prefix => root.clone(),
            false => end.clone(),
        };
        let upto = from.len();
        Climb { upto: upto.max(root.len()), root: root.len(), from, end }
    }

    /// What begins with the name, and what follows before a slash matters.
    fn first(&self) -> Option<Stretch> {
        (self.from.len() >= self.root).then(|| self.stretch(self.from.clone(), self.upto))
    }

    /// The next ones, in the order in which a stack gives them back; none after the farthest.
    fn further(&mut self) -> Option<Vec<Stretch>> {
        let at = self.place(self.upto)?;
        self.upto = at;
        let before = &self.from[..at];
        let mut next = vec![self.stretch(and(before, b"0"), at)];
        if self.from[at] != b'%' {
            next.push(slash(before));
        }
        Some(next)
    }

    /// The last place before `upto` where the name has a slash, or what sorts before one and, in
    /// keys, after it.
    fn place(&self, upto: usize) -> Option<usize> {
        let wanted = self.from.get(self.root..upto)?;
        let is_slash = |at: usize| self.from[self.root + at..].starts_with(b"%2F");
        let place = (0..wanted.len()).rev().find(|&at| match wanted[at] {
            b'&'..=b'.' => true,
            b'%' => is_slash(at),
            _ => false,
        });
        place.map(|at| self.root + at)
    }

    /// From `start` on to where the next place before `upto` cuts.
    fn stretch(&self, start: Vec<u8>, upto: usize) -> Stretch {
        match self.place(upto) {
            None => Stretch { start, end: self.end.clone(), fixed: self.root },
            Some(at) if self.from[at] == b'%' => Stretch { start, ..slash(&self.from[..at]) },
            Some(at) => Stretch { start, end: and(&self.from[..at], b"/"), fixed: at },
        }
    }
}

/// The names that go on with a slash.
fn slash(before: &[u8]) -> Stretch {
    let (start, end) = (and(before, b"%2F"), and(before, b"%2G"));
    Stretch { fixed: start.len(), start, end }
}

fn and(before: &[u8], more: &[u8]) -> Vec<u8> {
    [before, more].concat()
}

/// The first key after all those that begin with a record's.
fn after_all(root: &[u8]) -> Vec<u8> {
    let raised = root.iter().rposition(|&byte| byte != u8::MAX);
    let raised = raised.expect("a record's keys have a slash");
    let mut end = root[..=raised].to_vec();
    end[raised] += 1;
    end
}

/// What a key is, of which the first bytes are known to be part of a name.
fn meet(key: &[u8], fixed: usize) -> Met {
    let mut at = fixed;
    while let Some(found) = key[at..].iter().position(|byte| matches!(byte, b'%' | b'/')) {
        at += found;
        let before = &key[..at];
        match &key[at..] {
            [b'/', ..] => return Met::Before(and(before, b"0")),
            [_, b'2', b'5', ..] => at += b"%25".len(),
            // Names go from `%25…` to `%2F…` at once.
            [_, rest @ ..] if *rest < b"25"[..] => return Met::Before(and(before, b"%25")),
            [_, b'2', b'F', ..] => return Met::Slash(at),
            [_, rest @ ..] if *rest < b"2F"[..] => return Met::Slash(at),
            _ => return Met::Before(and(before, b"&")),
        }
    }
    Met::Field
}

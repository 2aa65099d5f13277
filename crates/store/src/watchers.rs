//! Who watches a key: ranges of keys by the keys they hold, so that an event for one watcher does
//! not walk over all the others.
//!
//! Ranges stand in the order of their starts, in blocks; each block knows how far its ranges
//! reach. A key is looked for in the blocks that begin at or before it and reach beyond it:
//!
//! ```text
//!   [a*  a/1*  a/2 …] reaches b     [m/1  m/2 …] reaches m/3     [x* …] reaches y
//!    passed over for m/2, in one comparison  ▲ looked through      not come to
//! ```
//!
//! So an event costs a comparison a block (80 for 10,000 watchers), and the ranges of the few
//! blocks that reach it. It says nothing of revisions, and bounds nothing: whoever lets watchers
//! in bounds their number.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::key_range::{KeyRange, Span};

/// A block with so many ranges is split.
const BLOCK_RANGES_MAX: usize = 128;

/// Watchers, by the ranges of keys they watch.
#[derive(Clone, Debug)]
pub struct Watchers<Id> {
    /// Not one of them is empty.
    blocks: Vec<Block<Id>>,
    /// Where each watcher's range starts.
    starts: BTreeMap<Id, Bytes>,
}

#[derive(Clone, Debug)]
struct Block<Id> {
    /// By start, then by watcher.
    ranges: Vec<(Span, Id)>,
    reach: Reach,
}

/// The first key that a range, or any range of a block, no longer holds; the last variant is
/// without an end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Before(Bytes),
    Everything,
}

impl<Id> Default for Watchers<Id> {
    fn default() -> Watchers<Id> {
        Watchers { blocks: Vec::new(), starts: BTreeMap::new() }
    }
}

impl<Id: Copy + Ord> Watchers<Id> {
    /// Nobody yet.
    pub fn new() -> Watchers<Id> {
        Watchers::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Adds a watcher; false, and nothing is done, if one of that name is there.
    pub fn insert(&mut self, id: Id, range: &KeyRange) -> bool {
        if self.starts.contains_key(&id) {
            return false;
        }
        let span = range.span();
        self.starts.insert(id, span.start.clone());
        if self.blocks.is_empty() {
            self.blocks.push(Block::new(vec![(span, id)]));
            return true;
        }
        let at = self.block_of(&span.start, id);
        let block = &mut self.blocks[at];
        block.insert(span, id);
        if block.ranges.len() >= BLOCK_RANGES_MAX {
            let upper = block.ranges.split_off(BLOCK_RANGES_MAX / 2);
            block.reach = Block::reach(&block.ranges);
            self.blocks.insert(at + 1, Block::new(upper));
        }
        true
    }

    /// Removes a watcher; false if it was not there.
    pub fn remove(&mut self, id: Id) -> bool {
        let Some(start) = self.starts.remove(&id) else { return false };
        let at = self.block_of(&start, id);
        let block = &mut self.blocks[at];
        let place = block.place(&start, id).expect("a watcher's range is in its block");
        block.ranges.remove(place);
        if block.ranges.is_empty() {
            self.blocks.remove(at);
        } else {
            block.reach = Block::reach(&block.ranges);
        }
        true
    }

    /// Shows `found` every watcher of a key, each once.
    pub fn each_of(&self, key: &[u8], found: impl FnMut(Id)) {
        self.look(key, found);
    }

    /// The same; gives back how many ranges were looked at.
    fn look(&self, key: &[u8], mut found: impl FnMut(Id)) -> usize {
        let mut looked_at = 0;
        let begun = self.blocks.partition_point(|block| *block.ranges[0].0.start <= *key);
        for block in self.blocks[..begun].iter().filter(|block| block.reach.is_after(key)) {
            let begun = block.ranges.partition_point(|(span, _)| *span.start <= *key);
            looked_at += begun;
            let ranges = block.ranges[..begun].iter();
            ranges.filter(|(span, _)| span.reaches(key)).for_each(|(_, id)| found(*id));
        }
        looked_at
    }

    /// The last block that begins at or before this range, or the first.
    fn block_of(&self, start: &Bytes, id: Id) -> usize {
        let before = |block: &Block<Id>| {
            let (first, first_id) = &block.ranges[0];
            (&first.start, *first_id) <= (start, id)
        };
        self.blocks.partition_point(before).saturating_sub(1)
    }
}

impl<Id: Copy + Ord> Block<Id> {
    fn new(ranges: Vec<(Span, Id)>) -> Block<Id> {
        let reach = Block::reach(&ranges);
        Block { ranges, reach }
    }

    fn reach(ranges: &[(Span, Id)]) -> Reach {
        let reaches = ranges.iter().map(|(span, _)| Reach::of(span));
        reaches.max().expect("a block holds a range")
    }

    fn place(&self, start: &Bytes, id: Id) -> Result<usize, usize> {
        self.ranges.binary_search_by(|(span, other)| (&span.start, *other).cmp(&(start, id)))
    }

    fn insert(&mut self, span: Span, id: Id) {
        let place = self.place(&span.start, id).expect_err("a watcher is in one place");
        self.reach = self.reach.clone().max(Reach::of(&span));
        self.ranges.insert(place, (span, id));
    }
}

impl Reach {
    fn of(span: &Span) -> Reach {
        let end = span.end().map(Bytes::copy_from_slice);
        end.map_or(Reach::Everything, Reach::Before)
    }

    fn is_after(&self, key: &[u8]) -> bool {
        match self {
            Reach::Before(end) => *key < **end,
            Reach::Everything => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(watchers: &Watchers<u64>, key: &[u8]) -> BTreeSet<u64> {
        let mut found = BTreeSet::new();
        watchers.each_of(key, |id| assert!(found.insert(id), "each is found once"));
        found
    }

    #[test]
    fn an_event_for_one_does_not_walk_over_the_others() {
        let mut watchers = Watchers::new();
        for id in 0..10_000 {
            let prefix = format!("user/{id:05}/");
            assert!(watchers.insert(id, &KeyRange::Prefix(prefix.into())));
        }
        watchers.insert(10_000, &KeyRange::all());
        for id in [0, 4_321, 9_999] {
            let key = format!("user/{id:05}/name");
            let mut found = Vec::new();
            let looked_at = watchers.look(key.as_bytes(), |id| found.push(id));
            assert_eq!(BTreeSet::from_iter(found), BTreeSet::from([id, 10_000]));
            assert!(looked_at <= 3 * BLOCK_RANGES_MAX, "looked at {looked_at}");
        }
    }

    #[test]
    fn a_watcher_is_there_once_and_goes_once() {
        let mut watchers = Watchers::new();
        assert!(watchers.insert(1, &KeyRange::Single("a".into())));
        assert!(!watchers.insert(1, &KeyRange::Single("b".into())));
        assert_eq!(
            (of(&watchers, b"a"), of(&watchers, b"b")),
            (BTreeSet::from([1]), BTreeSet::new())
        );
        assert!(watchers.remove(1) && !watchers.remove(1) && watchers.is_empty());
        assert_eq!(of(&watchers, b"a"), BTreeSet::new());
    }

    fn key() -> impl Strategy<Value = Bytes> {
        let byte = prop::sample::select(vec![0, b'a', b'b', 0xff]);
        prop::collection::vec(byte, 0..4).prop_map(Bytes::from)
    }

    fn range() -> impl Strategy<Value = KeyRange> {
        prop_oneof![
            key().prop_map(KeyRange::Single),
            key().prop_map(KeyRange::Prefix),
            key().prop_map(KeyRange::From),
            (key(), key()).prop_map(|(start, end)| KeyRange::Between { start, end }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// Enough of them that blocks are split and emptied.
        #[test]
        fn they_are_found_as_by_asking_each(
            ranges in prop::collection::vec((range(), any::<bool>()), 0..600),
            keys in prop::collection::vec(key(), 40),
        ) {
            let mut watchers = Watchers::new();
            for (id, (range, _)) in (0..).zip(&ranges) {
                prop_assert!(watchers.insert(id, range));
            }
            for (id, (_, stays)) in (0..).zip(&ranges) {
                prop_assert!(*stays || watchers.remove(id));
            }
            prop_assert_eq!(watchers.len(), ranges.iter().filter(|(_, stays)| *stays).count());
            for key in keys {
                let holds = |range: &KeyRange| {
                    let span = range.span();
                    span.start <= key && span.reaches(&key)
                };
                let each = (0..).zip(&ranges).filter(|(_, (range, stays))| *stays && holds(range));
                let expected: BTreeSet<u64> = each.map(|(id, _)| id).collect();
                prop_assert_eq!(of(&watchers, &key), expected);
            }
        }
    }
}

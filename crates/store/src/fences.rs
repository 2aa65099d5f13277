//! The upper level of the tree: which leaf holds a key.
//!
//! Two nodes lie above a leaf. The root knows up to thousands of branches, a branch up to 256
//! leaves. A node has a *fence* between each two neighbours: the smallest key that the right one
//! may hold. They are found by their heads, so that the way down to a leaf compares numbers that
//! stand side by side and not keys behind pointers:
//!
//! ```text
//!   root      fences            "m…"               "t…"
//!   branches           [b0]             [b1]             [b2]
//!   b1        fences       "n…"   "p…"
//!   leaves            [l0]   [l1]   [l2]
//! ```
//!
//! The fence of a branch's first leaf is the branch's own; the fence of the very first leaf is the
//! empty key, so every key has a leaf.

use crate::heads;

/// A branch with so many leaves is split.
const BRANCH_LEAVES_MAX: usize = 256;

/// Leaves in the order of their fences; there is always one.
#[derive(Debug)]
pub(crate) struct Fences<L> {
    root: Node<Node<L>>,
}

/// Neighbours, and what stands between them.
#[derive(Debug)]
struct Node<C> {
    /// One less than the children.
    between: Sorted,
    children: Vec<C>,
}

/// Ascending keys.
#[derive(Debug, Default)]
struct Sorted {
    /// What all of them have in common, or a part of that.
    prefix: Vec<u8>,
    /// Of each key its head after that.
    heads: Vec<u64>,
    keys: Vec<Box<[u8]>>,
}

/// Where a leaf is.
#[derive(Clone, Copy, Debug)]
struct Place {
    branch: usize,
    leaf: usize,
}

impl<L> Fences<L> {
    /// One leaf, for every key.
    pub(crate) fn new(first: L) -> Fences<L> {
        Fences { root: Node::of(Node::of(first)) }
    }

    /// Puts a leaf in, which holds the keys from this one up to the next fence from now on.
    ///
    /// # Panics
    ///
    /// If there is a leaf with this fence.
    pub(crate) fn insert(&mut self, fence: Box<[u8]>, leaf: L) {
        let place = self.place(&fence);
        assert!(*self.fence(place) < *fence, "a leaf is split above its own fence");
        let branch = &mut self.root.children[place.branch];
        branch.insert(place.leaf, fence, leaf);
        if branch.children.len() > BRANCH_LEAVES_MAX {
            let (fence, upper) = branch.split();
            self.root.insert(place.branch, fence, upper);
        }
    }

    /// Takes the leaf of this key out, unless it is the very first; its keys belong to the leaf
    /// before it from now on.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        let Place { branch, leaf } = self.place(key);
        let of = &mut self.root.children[branch];
        if leaf > 0 {
            of.remove(leaf);
        } else if branch > 0 && of.children.len() == 1 {
            self.root.remove(branch);
        } else if branch > 0 {
            let fence = of.remove_first();
            self.root.between.replace(branch - 1, fence);
        }
    }

    /// The leaf that holds this key, if any does.
    pub(crate) fn leaf(&self, key: &[u8]) -> &L {
        let Place { branch, leaf } = self.place(key);
        &self.root.children[branch].children[leaf]
    }

    /// The leaves with their fences, from that of this key on.
    pub(crate) fn leaves_from(&self, key: &[u8]) -> impl Iterator<Item = (&[u8], &L)> {
        let first = self.place(key);
        (first.branch..self.root.children.len()).flat_map(move |branch| {
            let skipped = if branch == first.branch { first.leaf } else { 0 };
            let leaves = self.root.children[branch].children.iter().enumerate().skip(skipped);
            leaves.map(move |(leaf, found)| (self.fence(Place { branch, leaf }), found))
        })
    }

    fn place(&self, key: &[u8]) -> Place {
        let branch = self.root.between.up_to(key);
        Place { branch, leaf: self.root.children[branch].between.up_to(key) }
    }

    fn fence(&self, place: Place) -> &[u8] {
        match (place.leaf, place.branch) {
            (0, 0) => &[],
            (0, branch) => &self.root.between.keys[branch - 1],
            (leaf, branch) => &self.root.children[branch].between.keys[leaf - 1],
        }
    }
}

impl<C> Node<C> {
    fn of(child: C) -> Node<C> {
        Node { between: Sorted::default(), children: vec![child] }
    }

    /// Puts a child in after the one at `left`.
    fn insert(&mut self, left: usize, fence: Box<[u8]>, child: C) {
        self.between.insert(left, fence);
        self.children.insert(left + 1, child);
    }

    /// Takes a child out that is not the first.
    fn remove(&mut self, at: usize) {
        self.between.remove(at - 1);
        self.children.remove(at);
    }

    /// Takes the first child out of several; gives back the fence of the one that is first then.
    fn remove_first(&mut self) -> Box<[u8]> {
        self.children.remove(0);
        self.between.remove(0)
    }

    /// Cuts off the upper half, and gives its fence with it.
    fn split(&mut self) -> (Box<[u8]>, Node<C>) {
        let middle = self.children.len() / 2;
        let children = self.children.split_off(middle);
        let mut lower = std::mem::take(&mut self.between).keys;
        let upper = lower.split_off(middle);
        let fence = lower.pop().expect("each child but the first has a fence");
        self.between = Sorted::new(lower);
        (fence, Node { between: Sorted::new(upper), children })
    }
}

impl Sorted {
    fn new(keys: Vec<Box<[u8]>>) -> Sorted {
        let prefix = match &keys[..] {
            [first, .., last] => first[..heads::common_prefix(first, last)].to_vec(),
            [only] => only.to_vec(),
            [] => Vec::new(),
        };
        let heads = keys.iter().map(|key| heads::head(&key[prefix.len()..])).collect();
        Sorted { prefix, heads, keys }
    }

    /// How many of them are at or before this key.
    fn up_to(&self, key: &[u8]) -> usize {
        let Some(rest) = key.strip_prefix(&self.prefix[..]) else {
            return if *key < *self.prefix { 0 } else { self.keys.len() };
        };
        let head = heads::head(rest);
        let first = heads::smaller(&self.heads, head);
        let equal = heads::equal(&self.heads[first..], head);
        first + self.keys[first..first + equal].partition_point(|other| **other <= *key)
    }

    fn insert(&mut self, at: usize, key: Box<[u8]>) {
        let common = heads::common_prefix(&self.prefix, &key);
        if self.keys.is_empty() || common < self.prefix.len() {
            let mut keys = std::mem::take(&mut self.keys);
            keys.insert(at, key);
            *self = Sorted::new(keys);
        } else {
            self.heads.insert(at, heads::head(&key[common..]));
            self.keys.insert(at, key);
        }
    }

    fn remove(&mut self, at: usize) -> Box<[u8]> {
        self.heads.remove(at);
        self.keys.remove(at)
    }

    fn replace(&mut self, at: usize, key: Box<[u8]>) {
        self.remove(at);
        self.insert(at, key);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::Bound::{Included, Unbounded};

    use super::*;

    /// Keys of a few kinds, so that fences share much, little and nothing.
    fn key(number: u64) -> Box<[u8]> {
        match number % 4 {
            0 => format!("/bench/{number:06}").into_bytes(),
            1 => format!("{}", number % 7).into_bytes(),
            2 => number.to_be_bytes().to_vec(),
            _ => vec![b'z'; (number % 300) as usize],
        }
        .into()
    }

    fn check(fences: &Fences<u64>, model: &BTreeMap<Box<[u8]>, u64>, from: &[u8]) {
        let up_to = (Unbounded, Included(from));
        let (first, leaf) = model.range::<[u8], _>(up_to).next_back().expect("the empty key");
        assert_eq!(fences.leaf(from), leaf, "{from:?}");
        let found = fences.leaves_from(from).map(|(fence, leaf)| (fence.to_vec(), *leaf));
        let rest = model.range::<[u8], _>((Included(&**first), Unbounded));
        let expected = rest.map(|(fence, leaf)| (fence.to_vec(), *leaf));
        assert!(found.eq(expected), "from {from:?}");
    }

    /// Grows to many branches and shrinks again, beside a map that does the same.
    #[test]
    fn leaves_are_where_a_map_has_them() {
        let (mut fences, mut model) = (Fences::new(0), BTreeMap::from([(Box::default(), 0)]));
        for step in 1..6_000u64 {
            let number = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let grows = number % 1_000 < if step < 3_000 { 900 } else { 200 };
            if grows && !model.contains_key(&key(number)) {
                fences.insert(key(number), step);
                model.insert(key(number), step);
            } else if let Some((fence, _)) =
                model.range::<[u8], _>((Included(&*key(number)), Unbounded)).next()
            {
                let fence = fence.clone();
                fences.remove(&fence);
                if !fence.is_empty() {
                    model.remove(&fence);
                }
            }
            if step % 100 == 0 {
                let probes = (0..40).map(|offset| key(number + offset));
                probes.chain([Box::default()]).for_each(|from| check(&fences, &model, &from));
            }
            if step == 3_000 {
                assert!(fences.root.children.len() > 4, "{} branches", fences.root.children.len());
            }
        }
        while let Some((fence, _)) = model.pop_last().filter(|(fence, _)| !fence.is_empty()) {
            fences.remove(&fence);
        }
        assert_eq!((fences.root.children.len(), fences.leaf(b"any")), (1, &0));
    }
}

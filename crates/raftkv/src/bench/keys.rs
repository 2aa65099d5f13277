//! Which keys there are, and which one is next.

use bytes::Bytes;

/// So many digits that keys are as long as each other, and in the order of their numbers.
const DIGITS: usize = 12;

/// So many keys under one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    prefix: String,
    count: u64,
}

impl Keys {
    pub(super) fn new(prefix: String, count: u64) -> Keys {
        assert!(!prefix.is_empty() && count > 0, "a plan has a prefix, and a key at least");
        Keys { prefix, count }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The key of that number, which may be one past the last.
    pub(super) fn key(&self, number: u64) -> Bytes {
        format!("{}{number:0DIGITS$}", self.prefix).into()
    }

    /// All keys under the prefix: the first, and the first after them.
    pub(super) fn range(&self) -> (Bytes, Bytes) {
        let begin = self.prefix.as_bytes().to_vec();
        let mut end = begin.clone();
        let last = end.last_mut().expect("the prefix is not empty");
        // A prefix is UTF-8, in which no byte is 0xff.
        *last += 1;
        (begin.into(), end.into())
    }
}

/// How one client goes about the keys: always in the same way, so that a run can be repeated.
#[derive(Debug)]
pub(super) struct Chooser {
    random: fastrand::Rng,
}

impl Chooser {
    /// That of one client.
    pub(super) fn new(client: usize) -> Chooser {
        Chooser { random: fastrand::Rng::with_seed(client as u64 + 1) }
    }

    /// A number below the bound, each as likely.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.random.u64(..bound)
    }

    /// Whether this is one of so many of a hundred.
    pub(super) fn percent(&mut self, of_hundred: u8) -> bool {
        self.random.u8(..100) < of_hundred
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_in_the_order_of_their_numbers_and_under_the_prefix() {
        let keys = Keys::new("b/".to_owned(), 2_000);
        let all: Vec<Bytes> = (0..keys.count()).map(|number| keys.key(number)).collect();
        assert!(all.is_sorted() && all.iter().collect::<BTreeSet<_>>().len() == 2_000);
        let (begin, end) = keys.range();
        assert!(all.iter().all(|key| begin < *key && *key < end));
        assert_eq!((&begin[..], &end[..]), (&b"b/"[..], &b"b0"[..]));
    }

    #[test]
    fn every_key_is_chosen_and_no_other() {
        let mut chooser = Chooser::new(0);
        let chosen: BTreeSet<u64> = (0..1_000).map(|_| chooser.below(16)).collect();
        assert!(chosen.into_iter().eq(0..16));
    }

    #[test]
    fn clients_choose_differently_and_each_the_same_again() {
        let numbers = |client| {
            let mut chooser = Chooser::new(client);
            [(); 8].map(|()| chooser.below(1_000_000))
        };
        assert_ne!(numbers(0), numbers(1));
        assert_eq!(numbers(1), numbers(1));
    }

    #[test]
    fn shares_are_kept() {
        let mut chooser = Chooser::new(3);
        let mut share = |of_hundred| (0..10_000).filter(|_| chooser.percent(of_hundred)).count();
        assert_eq!((share(0), share(100)), (0, 10_000));
        assert!((7_700..8_300).contains(&share(80)));
    }
}

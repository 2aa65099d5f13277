//! Chance, and what it does to bytes: inputs for the plain tests, which have no coverage to follow.

/// SplitMix64: a seed decides everything.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// The numbers of `seed`.
    pub(crate) fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// True one time in so many.
    pub(crate) fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    /// One of `choices`, of which there is at least one.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

/// Changes some bytes: a bit, a byte, a number that is often special, a piece moved or cut out.
pub(crate) fn mangle(random: &mut Random, bytes: &mut Vec<u8>) {
    let start = random.below(bytes.len() as u64 + 1) as usize;
    let end = (start + random.below(64) as usize).min(bytes.len());
    match random.below(8) {
        0 if start < end => bytes[start] ^= 1 << random.below(8),
        1 if start < end => bytes[start] = random.next() as u8,
        2 => bytes[start..end].fill(0),
        3 => bytes[start..end].fill(0xff),
        4 => bytes.truncate(start),
        5 => drop(bytes.drain(start..end)),
        6 => drop(bytes.splice(start..start, vec![random.next() as u8; end - start])),
        _ => bytes.extend_from_within(start..end),
    }
}

//! The bytes of an input, taken as decisions: numbers first come, first served. What is not there
//! any more reads as 0, so every input means something.

/// A reader of decisions.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input { rest: bytes }
    }

    /// Whether nothing is left to decide with.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next bytes, at most so many.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn short(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(crate) fn long(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A number below `limit`, which is at most 65,536 and not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        if limit <= 256 { self.byte() as usize % limit } else { self.short() as usize % limit }
    }

    /// True in one byte of so many.
    pub(crate) fn chance(&mut self, one_in: u8) -> bool {
        self.byte() % one_in == one_in - 1
    }

    /// A number that is often at the edge of something.
    pub(crate) fn special(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => 1,
            2 => u64::MAX - u64::from(self.byte()),
            3 => (1 << 62) - u64::from(self.byte() % 3) + u64::from(self.byte() % 3),
            4 => (1_u64 << (self.byte() % 64)).wrapping_sub(u64::from(self.byte() % 2)),
            5 => u64::from(self.short()) << 12,
            6 => u64::from(self.byte()),
            _ => self.long(),
        }
    }
}

//! The bodies of requests that are being read: how many bytes of a member's memory they have.
//!
//! A body is read as a whole before anybody looks at it, and its client has seconds to send it. So
//! what was read of all of them is counted, until each is whole and its request has begun, or is
//! given up. Past the bound a body is refused, and its request was not done.
//!
//! Long bodies may not have all of the bound: whoever fills it with them leaves room for short
//! ones, which most requests are.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::Extensions;

/// The bytes of all bodies that are being read.
pub(crate) const BYTES_MAX: usize = 256 << 20;

/// A body is short as long as it has no more than so many.
pub(crate) const SHORT_BYTES: usize = 16 << 10;

/// All of them, of one member.
#[derive(Debug)]
pub(crate) struct Reading {
    bytes_max: usize,
    bytes: AtomicUsize,
}

/// What one body has; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Arc<Reading>,
    bytes: usize,
}

/// There is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

impl Reading {
    /// So many bytes are there of all bodies.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn new(bytes_max: usize) -> Reading {
        Reading { bytes_max, bytes: AtomicUsize::new(0) }
    }

    fn bytes_max_for(&self, body_bytes: usize) -> usize {
        if body_bytes <= SHORT_BYTES { self.bytes_max } else { self.bytes_max / 4 * 3 }
    }
}

impl Share {
    /// Nothing yet, of these.
    pub(crate) fn among(of: &Arc<Reading>) -> Share {
        Share { of: Arc::clone(of), bytes: 0 }
    }

    /// Of the member that the request came to.
    pub(crate) fn of(request: &Extensions) -> Share {
        let of: Option<&Arc<Reading>> = request.get();
        // Only tests have a door without the socket that puts it there.
        let of = of.map_or_else(|| Arc::new(Reading::new(BYTES_MAX)), Arc::clone);
        Share { of, bytes: 0 }
    }

    /// So many bytes of the body are there now.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<(), TooMuch> {
        let all_max = self.of.bytes_max_for(bytes);
        let had = self.bytes;
        let grown = |all: usize| {
            let grown = all - had + bytes;
            (bytes <= had || grown <= all_max).then_some(grown)
        };
        let order = Ordering::Relaxed;
        self.of.bytes.fetch_update(order, order, grown).map_err(|_| TooMuch)?;
        self.bytes = bytes;
        Ok(())
    }

    /// So many more.
    pub(crate) fn grow(&mut self, by: usize) -> Result<(), TooMuch> {
        self.set(self.bytes + by)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many bodies are being read")
    }
}

impl std::error::Error for TooMuch {}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 8 * SHORT_BYTES;

    fn extensions() -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(Arc::new(Reading::new(MAX)));
        extensions
    }

    #[test]
    fn long_bodies_leave_room_for_short_ones() {
        let request = extensions();
        let (mut long, mut another) = (Share::of(&request), Share::of(&request));
        long.grow(MAX / 2).unwrap();
        long.grow(MAX / 4).unwrap();
        assert_eq!(long.grow(1), Err(TooMuch));
        assert_eq!(another.grow(SHORT_BYTES + 1), Err(TooMuch));
        another.grow(SHORT_BYTES).unwrap();
        let mut third = Share::of(&request);
        third.grow(SHORT_BYTES).unwrap();
        assert_eq!(Share::of(&request).grow(1), Err(TooMuch), "now it is full");
    }

    #[test]
    fn what_is_read_gives_its_room_back() {
        let request = extensions();
        let mut long = Share::of(&request);
        for _ in 0..100 {
            long.set(MAX / 4 * 3).unwrap();
            long.set(0).unwrap();
            drop(Share::of(&request));
        }
        long.set(MAX / 2).unwrap();
        drop(long);
        Share::of(&request).set(MAX / 4 * 3).unwrap();
    }
}

//! How many watches a connection has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Watches on one connection: a connection with more of them is one that forgets to end them.
pub const WATCHERS_PER_CONNECTION_MAX: usize = 512;

/// Watches on one stream of the gRPC door, through which a client has all of its watches: so many
/// that no client alone has all that a member has.
pub const WATCHERS_PER_STREAM_MAX: usize = 16_384;

/// The watches of one connection, or of one stream. Clones count together.
#[derive(Clone, Debug)]
pub struct ConnectionWatches {
    count: Arc<AtomicUsize>,
    max: usize,
}

/// The place of one watch; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Default for ConnectionWatches {
    fn default() -> ConnectionWatches {
        ConnectionWatches { count: Arc::default(), max: WATCHERS_PER_CONNECTION_MAX }
    }
}

impl ConnectionWatches {
    /// Those of a stream that carries any number of them.
    pub fn of_stream() -> ConnectionWatches {
        ConnectionWatches { max: WATCHERS_PER_STREAM_MAX, ..ConnectionWatches::default() }
    }

    /// A place for one more, if there is one.
    pub(super) fn enter(&self) -> Option<Place> {
        let place = Place(Arc::clone(&self.count));
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        // A place that was taken in vain is given back by its drop.
        (before < self.max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_left_is_free_again() {
        let connection = ConnectionWatches::default();
        let mut places: Vec<Place> = std::iter::from_fn(|| connection.enter())
            .take(2 * WATCHERS_PER_CONNECTION_MAX)
            .collect();
        assert_eq!(places.len(), WATCHERS_PER_CONNECTION_MAX);
        assert!(connection.clone().enter().is_none());
        places.pop();
        assert!(connection.enter().is_some());
    }
}

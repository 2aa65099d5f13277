//! How many watches a connection has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Watches on one connection: a connection with more of them is one that forgets to end them.
pub const WATCHERS_PER_CONNECTION_MAX: usize = 512;

/// The watches of one connection. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct ConnectionWatches(Arc<AtomicUsize>);

/// The place of one watch; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl ConnectionWatches {
    /// A place for one more, if there is one.
    pub(super) fn enter(&self) -> Option<Place> {
        let place = Place(Arc::clone(&self.0));
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        // A place that was taken in vain is given back by its drop.
        (before < WATCHERS_PER_CONNECTION_MAX).then_some(place)
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

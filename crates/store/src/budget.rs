//! How much apply may do in one turn, counted in work and never in time: the same entries take the
//! same turns on every member, and a simulator can cut a turn anywhere.

/// The fixed cost of writing one version, in units. With a unit a byte, the default turn of 1 MiB
/// is about 1,000 small writes, which is about 2 ms.
pub const VERSION_COST_UNITS: u64 = 1024;

/// The cost of walking past one key without writing it, in units.
pub(crate) const KEY_COST_UNITS: u64 = 64;

/// The cost of searching the tree for a key out of order, in units: three quarters of a small
/// write, by `cargo xtask bench store` on a million keys.
pub(crate) const SEARCH_COST_UNITS: u64 = 768;

/// The cost of removing one version of a key that was searched for, in units. With the search it
/// is a small write's, so that a member which writes without a pause can remove as fast.
pub(crate) const REMOVAL_COST_UNITS: u64 = 512;

/// What is left of a turn of apply. A turn may overdraw by one step, so a fresh budget always
/// makes progress.
#[derive(Debug)]
pub struct Budget {
    units_left: u64,
}

impl Budget {
    /// The turn that keeps raft's own steps waiting at most about 2 ms.
    pub const TURN_UNITS: u64 = 1 << 20;

    /// A budget of `units` bytes of work; at least one.
    pub fn new(units: u64) -> Budget {
        Budget { units_left: units.max(1) }
    }

    /// Whether the turn is over.
    pub fn is_spent(&self) -> bool {
        self.units_left == 0
    }

    pub(crate) fn spend(&mut self, units: u64) {
        self.units_left = self.units_left.saturating_sub(units);
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::new(Budget::TURN_UNITS)
    }
}

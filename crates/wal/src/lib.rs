//! The durable log: frames, segments, hard state, recovery.

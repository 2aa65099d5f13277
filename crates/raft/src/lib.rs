//! Consensus, pure: everything it needs is an argument.

//! The doing of a transaction, in three stages, each of which can be cut into turns:
//!
//! ```text
//!   plan    compare, choose a branch, again for those within it ──▶ a flat list of steps
//!   check   whatever could refuse a step: then nothing is done at all
//!   do      the steps in their order, at one revision
//! ```
//!
//! Comparisons and checks are of the state before the transaction. What is written lies at a
//! revision that nobody can read before the end; the sums are kept aside until then.

mod plan;
mod run;

pub(crate) use run::Run;

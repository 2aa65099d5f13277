//! One program for all of these: each would be linked with everything for itself.

#![allow(clippy::unwrap_used, reason = "tests")]

mod credentials;
mod events;
mod exactly_once;
mod fake;
mod leases;
mod outcomes;
mod records;
mod watch;

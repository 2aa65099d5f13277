//! One program for all of these: each would be linked with everything for itself.

#![allow(clippy::unwrap_used, reason = "tests")]

mod astray;
mod faults;
mod hostile_bytes;
mod inspect;
mod model;
mod os;
mod repair;
mod scripts;
mod snapshot_faults;
mod snapshot_scripts;
mod support;
mod versions;

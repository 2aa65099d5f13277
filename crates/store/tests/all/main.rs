//! One program for all of these: each would be linked with everything for itself.

#![allow(clippy::unwrap_used, reason = "tests")]

mod auth;
mod command;
mod golden;
mod model;
mod once;
mod readers;
mod records;
mod snapshot;
mod support;

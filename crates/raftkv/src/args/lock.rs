//! `raftkv lock`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::ConnectArgs;
use super::lease::{parse_lease_ttl, parse_ttl};

/// COMMAND runs while the lock is held, and finds its fencing token in RAFTKV_FENCING_TOKEN and its
/// key in RAFTKV_LOCK_KEY. If the lock is lost meanwhile COMMAND is told by SIGTERM, and the exit
/// code is 5; otherwise it is COMMAND's.
#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// Name of the lock: keys below NAME/ stand for who holds it and who waits
    pub(crate) name: String,
    /// What to run, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
    /// For how long the lock outlives a holder that says nothing: 10s, 1m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_lease_ttl)]
    pub(crate) ttl: Duration,
    /// Give up waiting for others after this long [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_ttl)]
    pub(crate) wait: Option<Duration>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

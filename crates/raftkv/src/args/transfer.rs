//! `raftkv export` and `raftkv import`.

use std::path::PathBuf;

use clap::Args;

use super::{ConnectArgs, ReadArgs};

/// A line a key: {"key":…,"value":…}, or key_base64 and value_base64 of what is no text, and ttl_ms
/// of a key that has a time to live. All lines are of one revision.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file to write; standard output if absent, or `-`
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Only keys that begin with this
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

/// Lines are written as `raftkv export` writes them. They are imported many at once: not all in
/// one revision, but of each key the last line counts.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file to read; standard input if absent, or `-`
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Put this before every key
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// Leave keys alone that are there
    #[arg(long)]
    pub(crate) if_absent: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

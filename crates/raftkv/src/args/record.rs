//! `raftkv record`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{ConnectArgs, ReadArgs};

/// A record has fields, each with a value; field F of record K is the plain key K/F.
#[derive(Debug, Subcommand)]
pub(crate) enum RecordCommand {
    /// Set a field
    Set(RecordSetArgs),
    /// Print the value of a field
    Get(RecordGetArgs),
    /// Remove fields, or a whole record
    #[command(visible_alias = "del")]
    Delete(RecordDeleteArgs),
    /// Print the fields of a record, in the order of their names
    #[command(visible_alias = "ls")]
    Scan(RecordScanArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RecordSetArgs {
    /// The record
    pub(crate) key: String,
    pub(crate) field: String,
    /// The value; `-` reads it from standard input, byte for byte
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: String,
    /// The value is written in base64
    #[arg(long)]
    pub(crate) base64: bool,
    /// Write only if the field was last written at this revision
    #[arg(long, value_name = "N", conflicts_with = "if_absent")]
    pub(crate) if_revision: Option<u64>,
    /// Write only if there is no such field
    #[arg(long)]
    pub(crate) if_absent: bool,
    /// The field goes after this long: 30s, 500ms, 5m, 1h; a bare number is seconds
    #[arg(long, value_name = "TIME", value_parser = super::lease::parse_ttl)]
    pub(crate) ttl: Option<Duration>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecordGetArgs {
    /// The record
    pub(crate) key: String,
    pub(crate) field: String,
    /// Print the value in base64
    #[arg(long)]
    pub(crate) base64: bool,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecordDeleteArgs {
    /// The record
    pub(crate) key: String,
    /// Which fields; all of them, in one step, if none is named
    #[arg(value_name = "FIELD")]
    pub(crate) fields: Vec<String>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecordScanArgs {
    /// The record
    pub(crate) key: String,
    /// Only fields that begin with this
    #[arg(default_value = "")]
    pub(crate) prefix: String,
    /// At most so many
    #[arg(long)]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

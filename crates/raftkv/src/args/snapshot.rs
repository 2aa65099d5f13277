//! `raftkv snapshot`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConnectArgs, Format};

/// A backup holds all keys, with their past as far as it is kept, sessions and leases.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Write a backup to a file, while the cluster serves
    Save {
        /// The file to write
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Begin a new cluster with a backup: makes the data directory of one of its members
    Restore(RestoreArgs),
    /// Read every byte of a backup, and say what it holds
    Status {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// How to print the answer; for people if absent
        #[arg(short, long, value_name = "FORMAT")]
        output: Option<Format>,
    },
}

/// For a cluster of several, run it for each of them with the same FILE, --peers and --cluster-id.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The member's data directory, which must not be there, or be empty
    #[arg(long, visible_alias = "data-dir", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Name of the member; the one that it is started with
    #[arg(long, value_name = "NAME", default_value = "node-1")]
    pub(crate) node_id: String,
    /// Where the member is reached, if it is the only one [default: localhost:8001]
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "peers")]
    pub(crate) advertise: Option<String>,
    /// All members of the new cluster, this one too
    #[arg(long, value_name = "NAME=HOST:PORT,…", value_delimiter = ',')]
    pub(crate) peers: Vec<String>,
    /// Id of the new cluster: what the first member's restore printed [default: drawn at random]
    #[arg(long, value_name = "HEX", value_parser = parse_cluster_id)]
    pub(crate) cluster_id: Option<u128>,
}

fn parse_cluster_id(text: &str) -> Result<u128, String> {
    let id = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32);
    id.filter(|id| *id != 0).ok_or_else(|| "it is 32 digits of base 16, not all 0".to_owned())
}

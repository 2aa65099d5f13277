//! `raftkv snapshot`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, value_parser};
use server::backup::Maker;
use server::config::{BACKUP_EVERY_MS_MAX, BACKUP_EVERY_MS_MIN, parse_age};

use super::{ConnectArgs, Format};

/// A backup holds all keys, with their past as far as it is kept, sessions and leases.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Write a backup to a file, or into a directory, while the cluster serves
    Save(SaveArgs),
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

#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    /// The file to write; in a directory that is there, one named after the time
    #[arg(value_name = "FILE|DIR")]
    pub(crate) target: PathBuf,
    /// Go on, with a backup every so often, until it is ended: 1h, 30m, 1d
    #[arg(long, value_name = "TIME", value_parser = parse_every)]
    pub(crate) every: Option<Duration>,
    /// Keep so many sound ones in the directory, and remove older ones of the same --name
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u16).range(1..=10_000))]
    pub(crate) keep: Option<u16>,
    /// What the files in the directory begin with: each that saves there has a name of its own
    #[arg(long, value_name = "NAME", default_value = "raftkv", value_parser = parse_maker)]
    pub(crate) name: Maker,
    /// Build the state out of it, too, as a restore would; takes as much memory
    #[arg(long)]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

fn parse_every(text: &str) -> Result<Duration, String> {
    let every_ms = parse_age(text)?;
    match (BACKUP_EVERY_MS_MIN..=BACKUP_EVERY_MS_MAX).contains(&every_ms) {
        true => Ok(Duration::from_millis(every_ms)),
        false => Err("it must be from 1s to 366d".to_owned()),
    }
}

fn parse_maker(text: &str) -> Result<Maker, String> {
    Maker::new(text).ok_or_else(|| "it has letters, digits, -, _ and ., 96 at most".to_owned())
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

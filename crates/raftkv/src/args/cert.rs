//! `raftkv cert`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// Make a CA: whoever has its key can make members and clients
    Ca {
        #[command(flatten)]
        place: PlaceArgs,
        /// For how long it counts
        #[arg(long, value_name = "DAYS", default_value_t = 3_650, value_parser = days())]
        days: u32,
    },
    /// Make the certificate of a member, for its peers and for clients
    Member {
        /// What the member is called
        name: String,
        /// Host names and IP addresses by which it is reached
        #[arg(
            long = "host",
            value_name = "HOST,…",
            value_delimiter = ',',
            default_values = ["localhost", "127.0.0.1", "::1"]
        )]
        hosts: Vec<String>,
        #[command(flatten)]
        place: PlaceArgs,
        /// For how long it counts
        #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = days())]
        days: u32,
    },
    /// Make the certificate of a client
    Client {
        /// Whose it is
        user: String,
        #[command(flatten)]
        place: PlaceArgs,
        /// For how long it counts
        #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = days())]
        days: u32,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Directory of the certificates and keys
    #[arg(long, value_name = "DIR", default_value = "raftkv-certs")]
    pub(crate) dir: PathBuf,
}

/// Clients of some systems take none that counts for longer than a human can remember.
fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=36_500)
}

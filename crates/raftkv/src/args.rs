//! The command line as written. Nothing here is checked beyond its shape; `--help` is the text of
//! this file.

mod auth;
mod bench;
mod cert;
mod connect;
mod lease;
mod lock;
mod record;
mod snapshot;
mod transfer;
mod txn;

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use server::config::{JoinUser, LogFormat, parse_age, parse_byte_size};

pub(crate) use self::auth::{AsUser, AuthCommand, NameArgs, RoleCommand, UserCommand};
pub(crate) use self::bench::{BenchCommand, LoadArgs};
pub(crate) use self::cert::CertCommand;
pub(crate) use self::connect::ConnectArgs;
pub(crate) use self::lease::{LeaseArgs, LeaseCommand, LifetimeArgs, parse_ttl};
pub(crate) use self::lock::LockArgs;
pub(crate) use self::record::{
    RecordCommand, RecordDeleteArgs, RecordGetArgs, RecordScanArgs, RecordSetArgs,
};
pub(crate) use self::snapshot::{RestoreArgs, SaveArgs, SnapshotCommand};
pub(crate) use self::transfer::{ExportArgs, ImportArgs};
pub(crate) use self::txn::TxnArgs;

/// A distributed, strongly consistent key-value store.
#[derive(Debug, Parser)]
#[command(name = "raftkv", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    // Before the command it means what it means after it: see `ConnectArgs`, where it is read.
    #[arg(
        id = "as_user",
        long = "user",
        env = "RAFTKV_USER",
        hide_env_values = true,
        hide = true,
        global = true
    )]
    _as_user: Option<AsUser>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 not found or condition failed, 2 wrong usage, \
     3 unavailable or outcome unknown, 4 removed from the cluster, 5 the lock was lost. Of `lock`: \
     those of its command.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one member
    Start(StartArgs),
    /// Run one member, started with etcd's own command line: `raftkv etcd --help`
    #[command(disable_help_flag = true)]
    Etcd {
        /// etcd's flags
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
        flags: Vec<OsString>,
    },
    /// Run a whole cluster on this machine, to try things out
    Dev(DevArgs),
    /// Let a process that stands still go on when standard input ends
    #[command(hide = true)]
    LetGo {
        /// Its number
        pid: u32,
    },
    /// Set a key
    #[command(visible_alias = "set")]
    Put(PutArgs),
    /// Print the value of a key
    Get(GetArgs),
    /// Remove keys
    #[command(visible_alias = "del")]
    Delete(DeleteArgs),
    /// Print every kept version of a key, the newest first
    History(HistoryArgs),
    /// Print changes of keys as they happen, until it is ended
    Watch(WatchArgs),
    /// Print keys and values, in order
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Compare keys, then do one list of operations or another, all in one revision or not at all
    Txn(TxnArgs),
    /// Set, print and remove the fields of records
    #[command(subcommand)]
    Record(RecordCommand),
    /// Grant, keep alive and end leases
    #[command(subcommand)]
    Lease(LeaseCommand),
    /// Run a command while a lock is held
    Lock(LockArgs),
    /// Write keys and values to a file, as lines of JSON
    Export(ExportArgs),
    /// Read keys and values from a file, as lines of JSON
    Import(ImportArgs),
    /// Save the whole store, and begin a new cluster with it
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Give up the past before a revision
    Compact(CompactArgs),
    /// Show and change what all members go by: how much of the past is kept
    Settings(SettingsArgs),
    /// Show every member, and say in words what is wrong
    Status(StatusArgs),
    /// Watch the cluster at work: members, roles, lag, throughput, events
    Top(TopArgs),
    /// Print who leads
    Leader(StatusArgs),
    /// Check that every member is up and knows a leader
    Health(StatusArgs),
    /// Hand leadership to another member
    Transfer(TransferArgs),
    /// Show and change who is in the cluster
    #[command(subcommand)]
    Member(MemberCommand),
    /// Turn authentication on and off
    #[command(subcommand)]
    Auth(AuthCommand),
    /// Show and change users
    #[command(subcommand)]
    User(UserCommand),
    /// Show and change roles, and what they may do
    #[command(subcommand)]
    Role(RoleCommand),
    /// Make certificates for development
    #[command(subcommand)]
    Cert(CertCommand),
    /// Measure a cluster, ours or one of etcd's: throughput and latency
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Look for damage in a member's data directory, while it is stopped
    Check(CheckArgs),
    /// Look into a member's log, while it is stopped
    #[command(subcommand)]
    Wal(WalCommand),
    /// Let one member go on alone, after a majority was lost for good
    Recover(RecoverArgs),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The data directory
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WalCommand {
    /// Print the log as JSON, one line an entry
    Dump(DumpArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DumpArgs {
    /// The data directory
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// From this index on
    #[arg(long, value_name = "INDEX")]
    pub(crate) from: Option<u64>,
    /// Up to this index
    #[arg(long, value_name = "INDEX")]
    pub(crate) to: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// The data directory of the member that goes on: the one with the longest log
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Make it the only member of a new cluster
    #[arg(long, required = true)]
    pub(crate) as_single_voter: bool,
    /// Do it, instead of saying what it would mean
    #[arg(long)]
    pub(crate) yes: bool,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON document
    Json,
    /// A table
    Table,
    /// Bare values, for scripts
    Plain,
}

#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    pub(crate) key: String,
    /// The value; `-` reads it from standard input, byte for byte
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: String,
    /// The value is written in base64
    #[arg(long)]
    pub(crate) base64: bool,
    /// Write only if the key was last written at this revision
    #[arg(long, value_name = "N", conflicts_with = "if_absent")]
    pub(crate) if_revision: Option<u64>,
    /// Write only if there is no such key
    #[arg(long)]
    pub(crate) if_absent: bool,
    /// Print what the key was before, too
    #[arg(long)]
    pub(crate) prev: bool,
    #[command(flatten)]
    pub(crate) lifetime: LifetimeArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    pub(crate) key: String,
    /// Print the value in base64
    #[arg(long)]
    pub(crate) base64: bool,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

/// What every read understands.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// Read what the member asked happens to have, perhaps not the newest; needs no majority
    #[arg(long)]
    pub(crate) stale: bool,
    /// Read the store as it was at this revision
    #[arg(long, value_name = "N", conflicts_with = "at")]
    pub(crate) revision: Option<u64>,
    /// Read the store as it was at this time: 2026-08-04T12:00:00Z, or microseconds since 1970
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// One key
    #[arg(required_unless_present_any = ["prefix", "from"])]
    pub(crate) key: Option<String>,
    /// Instead: every key that begins with this; "" for all
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["key", "from"])]
    pub(crate) prefix: Option<String>,
    /// Instead: this key and all after it
    #[arg(long, value_name = "KEY", conflicts_with = "key")]
    pub(crate) from: Option<String>,
    /// ... up to this one, without it
    #[arg(long, value_name = "KEY", requires = "from")]
    pub(crate) to: Option<String>,
    /// Begin with this revision instead of now
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) from_revision: Option<u64>,
    /// Print what each key was before
    #[arg(long)]
    pub(crate) prev: bool,
    /// Leave out puts
    #[arg(long, conflicts_with = "no_delete")]
    pub(crate) no_put: bool,
    /// Leave out deletes
    #[arg(long)]
    pub(crate) no_delete: bool,
    /// Watch a member also while it has no leader, and perhaps not the newest
    #[arg(long)]
    pub(crate) stale: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    pub(crate) key: String,
    /// At most so many versions
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Only what was written before this revision
    #[arg(long, value_name = "N")]
    pub(crate) before: Option<u64>,
    /// Read what the member asked happens to have, perhaps not the newest; needs no majority
    #[arg(long)]
    pub(crate) stale: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[arg(required = true, value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// Remove only if the key, which is the only one, was last written at this revision
    #[arg(long, value_name = "N")]
    pub(crate) if_revision: Option<u64>,
    /// Print what the keys were before, too
    #[arg(long)]
    pub(crate) prev: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only keys that begin with this
    #[arg(default_value = "")]
    pub(crate) prefix: String,
    /// At most so many
    #[arg(long)]
    pub(crate) limit: Option<u64>,
    /// Keys without their values
    #[arg(long)]
    pub(crate) keys_only: bool,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompactArgs {
    /// The oldest revision that can be read from then on
    pub(crate) revision: u64,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    /// get or set
    #[arg(value_enum, default_value_t = SettingsAction::Get)]
    pub(crate) action: SettingsAction,
    /// What to set: history-age=1h (0 is without a limit), history-bytes=64MiB
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) changes: Vec<Setting>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SettingsAction {
    /// Print them
    Get,
    /// Change some of them
    Set,
}

/// A setting with its new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// In ms.
    HistoryAge(u64),
    HistoryBytes(u64),
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Setting, String> {
        let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
        let expected = |expected: &str| format!("{value:?} is not {expected}");
        match key {
            "history-age" => parse_age(value).map(Setting::HistoryAge).map_err(expected),
            "history-bytes" => parse_byte_size(value).map(Setting::HistoryBytes).map_err(expected),
            _ => Err(format!("{key} is no setting; there are history-age and history-bytes")),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Print one frame as text, or with -o json as JSON, and end; needs no terminal
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    /// Name or id of the member to lead next; the most up-to-date one if absent
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

/// A member is named by its name or its id.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Print the members, and what each counts for
    #[command(visible_alias = "ls")]
    List(StatusArgs),
    /// Reserve a place for a member, which then joins with `raftkv start --join`
    Add {
        /// Where it will be reached
        #[arg(value_name = "HOST:PORT")]
        address: String,
        /// What people will call it [default: the name it joins with]
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Make a learner that has caught up a voter
    Promote {
        /// Which learner
        member: String,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Remove a member, for good; its process ends by itself
    Remove {
        /// Which member
        member: String,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Remove a voter and make a learner a voter in its place, in one step
    Replace {
        /// The voter that goes
        old: String,
        /// The learner that takes its place
        new: String,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Prepare a member for a restart: it hands over, and no other is restarted meanwhile
    ///
    /// Refused while another voter is down, behind, or being restarted. The member counts as being
    /// restarted until its next process has caught up, or for ten minutes.
    Drain {
        /// Which member
        #[arg(env = "RAFTKV_NODE_ID")]
        member: String,
        /// Wait until the member may be stopped, for so many seconds at most [default: 60]
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
              default_missing_value = "60", conflicts_with = "undo")]
        wait: Option<u64>,
        /// The member is not restarted after all
        #[arg(long)]
        undo: bool,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Print the cluster's feature level, or raise it
    Level {
        /// Raise it as far as all members know: they can not go back to older versions afterwards
        #[arg(long)]
        raise: bool,
        #[command(flatten)]
        connect: ConnectArgs,
    },
    /// Tell the cluster that a member is reached elsewhere from now on
    Address {
        /// Which member
        member: String,
        /// Where it is reached
        #[arg(value_name = "HOST:PORT")]
        address: String,
        #[command(flatten)]
        connect: ConnectArgs,
    },
}

/// Where `--help` has what is about certificates.
const TLS: &str = "TLS";

/// The settings of a member: each may also come from RAFTKV_NODE_ID and so on, or from raftkv.toml.
/// A flag wins over the environment, and that over the file. docs/configuration.md has them all.
#[derive(Debug, Args, Default)]
pub(crate) struct StartArgs {
    /// Name of this member [default: node-PORT]
    #[arg(long, value_name = "NAME")]
    pub(crate) node_id: Option<String>,
    /// The port, for clients and, unless they have one of their own, members [default: 8001]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// IP address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "IP[:PORT]")]
    pub(crate) listen: Option<String>,
    /// IP address and port for members alone; clients keep --port for themselves
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen_peer: Option<String>,
    /// IP addresses for probes and metrics alone, in plain text or, as https://IP:PORT, with TLS
    #[arg(long, value_name = "IP:PORT,…", value_delimiter = ',')]
    pub(crate) metrics_listen: Option<Vec<String>>,
    /// Where others reach this member [default: localhost:PORT]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
    /// Where clients reach this member, if elsewhere [default: http://ADVERTISE]
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    pub(crate) advertise_client: Option<Vec<String>>,
    /// The other members, separated by commas; none for a cluster of one
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    pub(crate) peers: Option<Vec<String>>,
    /// Join the cluster of these members, once: as a learner first, then with a vote
    #[arg(long, value_name = "URL,…", value_delimiter = ',', conflicts_with = "peers")]
    pub(crate) join: Option<Vec<String>>,
    /// Join on behalf of this user, who has the role root; better by RAFTKV_JOIN_USER
    #[arg(long, value_name = "NAME:PASSWORD")]
    pub(crate) join_user: Option<JoinUser>,
    /// Take the place of this member, once caught up
    #[arg(long, value_name = "MEMBER")]
    pub(crate) replace: Option<String>,
    /// Stay a learner after joining
    #[arg(long)]
    pub(crate) learner: bool,
    /// Directory of this member's data [default: raftkv-data/NAME]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Settings file [default: raftkv.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How often a leader speaks [default: 100]
    #[arg(long, value_name = "MS")]
    pub(crate) heartbeat_ms: Option<u64>,
    /// How long a follower waits for a leader, at least [default: 1000]
    #[arg(long, value_name = "MS")]
    pub(crate) election_timeout_ms: Option<u64>,
    /// Size of one file of the log [default: 64MiB]
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size)]
    pub(crate) wal_segment_bytes: Option<u64>,
    /// Growth of the log after which a snapshot is taken [default: 64MiB]
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size)]
    pub(crate) snapshot_bytes: Option<u64>,
    /// For how long the past is kept: 1h, 7d; 0 is without a limit. A new cluster is founded with
    /// it; later: `raftkv settings set` [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    pub(crate) history_age: Option<u64>,
    /// How much memory the past takes, the same way [default: 256MiB]
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size)]
    pub(crate) history_bytes: Option<u64>,
    /// How much memory the state may take; growing writes are refused before it is full
    /// [default: 60 % of the machine's, or of what its control group allows]
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size)]
    pub(crate) memory_limit: Option<u64>,
    /// How often one client may ask, a second; 0 is as often as it likes [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) max_requests_per_second: Option<u64>,
    /// Make a backup in this directory, which must be there, again and again
    #[arg(long, value_name = "DIR")]
    pub(crate) backup_dir: Option<PathBuf>,
    /// How often: 1h, 30m, 1d [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    pub(crate) backup_every: Option<u64>,
    /// How many sound ones are kept [default: 24]
    #[arg(long, value_name = "COUNT")]
    pub(crate) backup_keep: Option<u64>,
    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = LogFormat::from_str)]
    pub(crate) log_format: Option<LogFormat>,
    /// Web origins whose pages may use this member
    #[arg(long, value_name = "ORIGIN,…", value_delimiter = ',')]
    pub(crate) allow_origin: Option<Vec<String>>,
    /// Certificate in PEM, shown to clients, and to members unless they have one of their own. With
    /// it the port speaks TLS alone
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) cert_file: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) key_file: Option<PathBuf>,
    /// CAs that sign the certificates of clients
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) client_ca_file: Option<PathBuf>,
    /// Refuse clients that show no certificate
    #[arg(long, help_heading = TLS)]
    pub(crate) client_cert_auth: bool,
    /// Certificate shown to members [default: --cert-file]
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) peer_cert_file: Option<PathBuf>,
    /// Its key [default: --key-file]
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) peer_key_file: Option<PathBuf>,
    /// CAs that sign the certificates of members [default: --client-ca-file]
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub(crate) peer_ca_file: Option<PathBuf>,
    /// Names of which a member's certificate must bear one [default: the host it is reached at]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', help_heading = TLS)]
    pub(crate) peer_allowed_names: Option<Vec<String>>,
    /// Make a certificate that nobody signs, for a first try
    #[arg(long, help_heading = TLS)]
    pub(crate) auto_tls: bool,
    /// Allow traffic to leave this machine without TLS
    #[arg(long, help_heading = TLS)]
    pub(crate) insecure: bool,
    /// Take messages of Raft that are made by hand, to learn: docs/raft-by-hand.md
    #[arg(long)]
    pub(crate) raft_http: bool,
    /// Never flush to disk: a power cut loses acknowledged writes
    #[arg(long)]
    pub(crate) unsafe_no_fsync: bool,
    /// Check the settings, print them, and stop
    #[arg(long)]
    pub(crate) check_config: bool,
    /// Stop when standard input ends: so a member never outlives the process that started it
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Throw away what earlier runs left
    #[arg(long)]
    pub(crate) fresh: bool,
    /// How many members [default: 3, or as in the earlier run]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=31))]
    pub(crate) members: Option<u16>,
    /// Port of the first member; the others follow [default: 8001, or as in the earlier run]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Port of the dashboard [default: 100 above the first member's, or any]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) dashboard_port: Option<u16>,
    /// For how long the past is kept: 1h, 7d; 0 is without a limit. Counts for a new cluster
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    pub(crate) history_age: Option<u64>,
    /// How much memory the past takes, the same way
    #[arg(long, value_name = "BYTES", value_parser = parse_byte_size)]
    pub(crate) history_bytes: Option<u64>,
    /// Make all timers so many times longer, to watch
    #[arg(
        long,
        value_name = "TIMES",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=100)
    )]
    pub(crate) slow: u32,
    /// Directory for all data
    #[arg(long, value_name = "DIR", default_value = "raftkv-dev")]
    pub(crate) data_dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory as _;
    use client::Endpoint;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command)
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_member_as_in_the_readme() {
        let line =
            "raftkv start --node-id node-1 --port 8001 --peers localhost:8002,localhost:8003";
        let Ok(Command::Start(start)) = parse(line) else { panic!("not understood: {line}") };
        assert_eq!(start.node_id.as_deref(), Some("node-1"));
        assert_eq!(start.port, Some(8001));
        assert_eq!(start.peers.unwrap(), ["localhost:8002", "localhost:8003"]);
        assert_eq!((start.data_dir, start.insecure, start.log_format), (None, false, None));
    }

    #[test]
    fn settings_are_shown_unless_they_are_set() {
        let Ok(Command::Settings(shown)) = parse("raftkv settings") else { panic!("understood") };
        assert_eq!((shown.action, shown.changes.len()), (SettingsAction::Get, 0));
        let line = "raftkv settings set history-age=30m history-bytes=1MiB --node localhost:1";
        let Ok(Command::Settings(set)) = parse(line) else { panic!("not understood: {line}") };
        let changes = [Setting::HistoryAge(1_800_000), Setting::HistoryBytes(1 << 20)];
        assert_eq!((set.action, &set.changes[..]), (SettingsAction::Set, &changes[..]));
        for wrong in ["history-age", "history-age=5", "history-bytes=x", "age=1h"] {
            assert!(parse(&format!("raftkv settings set {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn set_is_put_and_node_is_endpoints() {
        for line in [
            "raftkv put k v --endpoints http://localhost:9001",
            "raftkv set k v --node localhost:9001",
        ] {
            let Ok(Command::Put(put)) = parse(line) else { panic!("not understood: {line}") };
            assert_eq!((put.key.as_str(), put.value.as_str()), ("k", "v"));
            assert_eq!(put.connect.endpoints(), ["localhost:9001".parse().unwrap()]);
        }
    }

    #[test]
    fn values_may_be_negative_numbers_or_standard_input_but_no_mistyped_flags() {
        for value in ["-5", "-", "-1.5"] {
            let Ok(Command::Put(put)) = parse(&format!("raftkv put k {value}")) else {
                panic!("not understood: {value}")
            };
            assert_eq!(put.value, value);
        }
        assert!(parse("raftkv put k --bass64").is_err());
        let Ok(Command::Put(put)) = parse("raftkv put k -- --bass64") else { panic!("refused") };
        assert_eq!(put.value, "--bass64");
    }

    #[test]
    fn without_options_the_three_members_of_dev_are_asked() {
        let Ok(Command::Get(get)) = parse("raftkv get k") else { panic!("not understood") };
        let endpoints = get.connect.endpoints();
        let addresses: Vec<_> = endpoints.iter().map(Endpoint::address).collect();
        assert_eq!(addresses, ["localhost:8001", "localhost:8002", "localhost:8003"]);
        assert_eq!(get.connect.named_endpoints(), None);
        assert_eq!(get.connect.timeout, Duration::from_secs(5));
        assert_eq!(get.connect.output, None);
    }

    #[test]
    fn what_is_wrong_usage() {
        for line in [
            "raftkv",
            "raftkv frobnicate",
            "raftkv put k",
            "raftkv delete",
            "raftkv get k -o xml",
            "raftkv get k --node localhost",
            "raftkv start --port 99999",
            "raftkv start --log-format xml",
            "raftkv start --wal-segment-bytes 4MB",
            "raftkv dev --members 0",
            "raftkv start --join localhost:8001 --peers localhost:8002",
            "raftkv member",
            "raftkv member add",
            "raftkv member replace node-1",
            "raftkv record",
            "raftkv record set k f",
            "raftkv record get k",
            "raftkv record delete",
            "raftkv record set k f v --if-absent --if-revision 1",
            "raftkv put k v --ttl 0",
            "raftkv put k v --ttl 5s --lease 7",
            "raftkv record set k f v --ttl x",
            "raftkv lease",
            "raftkv lease grant",
            "raftkv lease grant 500ms",
            "raftkv lease grant 5s --id 0",
            "raftkv lease revoke",
            "raftkv lease ttl x",
            "raftkv dev --slow 0",
            "raftkv lock n",
            "raftkv lock n true",
            "raftkv lock n --ttl 1500ms -- true",
            "raftkv snapshot",
            "raftkv snapshot save",
            "raftkv snapshot restore f",
            "raftkv snapshot restore f --data d --cluster-id 7",
            "raftkv snapshot restore f --data d --advertise a:1 --peers n=a:1",
            "raftkv txn f g",
            "raftkv check",
            "raftkv wal",
            "raftkv wal dump",
            "raftkv wal dump d --from x",
            "raftkv recover d",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}: {error}");
        }
    }
}

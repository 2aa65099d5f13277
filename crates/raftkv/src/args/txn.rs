//! `raftkv txn`.

use std::path::PathBuf;

use clap::Args;

use super::ConnectArgs;

/// A transaction is JSON as `POST /txn` takes it, or three blocks of lines with an empty line
/// between: comparisons, what is done if all of them hold, what is done otherwise.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct TxnArgs {
    /// The file that holds it; standard input if absent, or `-`
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

const EXAMPLE: &str = r#"Lines:
  value(KEY) = VALUE     version, create, mod and lease take numbers; = != < >
  put KEY VALUE [--ttl TIME | --lease ID] [--prev]
  get KEY [--prefix] [--limit N] [--keys-only] [--count-only]
  delete KEY [--prefix] [--prev]
Words with blanks are written in "quotes", with \n \t \r \" \\ \xff; # begins a comment.

Example:
  mod(name) = 7

  put name "new name"
  delete old/ --prefix

  get name"#;

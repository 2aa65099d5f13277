//! `raftkv snapshot`: backups of a whole cluster, and new clusters out of them.

mod restore;
mod save;
mod status;
mod wrapped;

use std::io::Write;
use std::path::Path;

use disk::OsDisk;
use replica::{BackupFile, BackupState, inspect_backup};

use crate::args::SnapshotCommand;
use crate::failure::Failure;

pub(crate) async fn run(command: SnapshotCommand, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        SnapshotCommand::Save { file, connect } => save::run(&file, &connect, out).await,
        SnapshotCommand::Restore(args) => restore::run(&args, out),
        SnapshotCommand::Status { file, output } => status::run(&file, output, out),
    }
}

/// What a file holds, every byte of it read.
fn inspect(file: &Path) -> Result<BackupState, Failure> {
    let bytes = wrapped::content_bytes(file).map_err(|error| Failure::file(file, &error))?;
    let inspected = inspect_backup(&OsDisk, BackupFile { path: file, bytes });
    inspected.map_err(|error| Failure::Negative(error.to_string()))
}

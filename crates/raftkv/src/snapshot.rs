//! `raftkv snapshot`: backups of a whole cluster, and new clusters out of them.

mod repeat;
mod restore;
mod save;
mod status;
mod wrapped;

use std::fs::File;
use std::io::Write;
use std::path::Path;

use disk::OsDisk;
use replica::{BackupFile, BackupState, inspect_backup};

use self::wrapped::backup_bytes;
use crate::args::SnapshotCommand;
use crate::failure::Failure;

pub(crate) async fn run(command: SnapshotCommand, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        SnapshotCommand::Save(args) => save::run(&args, out).await,
        SnapshotCommand::Restore(args) => restore::run(&args, out),
        SnapshotCommand::Status { file, output } => status::run(&file, output, out),
    }
}

/// The backup in a file, wrapped or not.
fn find(path: &Path) -> Result<BackupFile<'_>, Failure> {
    let bytes = File::open(path).and_then(|mut file| backup_bytes(&mut file));
    let bytes = bytes.map_err(|error| Failure::file(path, &error))?;
    Ok(BackupFile { path, bytes })
}

/// What it holds, every byte of it read.
fn inspect(file: BackupFile<'_>) -> Result<BackupState, Failure> {
    inspect_backup(&OsDisk, file).map_err(|error| Failure::Negative(error.to_string()))
}

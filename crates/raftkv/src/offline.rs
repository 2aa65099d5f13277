//! Commands for a data directory that no member runs in: they take its lock, so a running member is
//! never disturbed.

mod check;
mod dump;
mod recover;

use std::path::Path;

use disk::OsDisk;
use wal::DataDirectory;

pub(crate) use check::check;
pub(crate) use dump::dump;
pub(crate) use recover::recover;

use crate::failure::Failure;

/// The directory, locked.
fn open(path: &Path) -> Result<DataDirectory<OsDisk>, Failure> {
    let opened = DataDirectory::open_existing(OsDisk, path);
    opened.map_err(|error| Failure::Negative(error.to_string()))
}

/// `7 of term 3`.
fn shown((term, index): (u64, u64)) -> String {
    format!("{index} of term {term}")
}

fn shown_or_none(id: Option<(u64, u64)>) -> String {
    id.map_or_else(|| "none".to_owned(), shown)
}

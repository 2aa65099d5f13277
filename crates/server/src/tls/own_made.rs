//! The certificate that a member makes for itself, for a first try (`--auto-tls`).
//!
//! It stays in the data directory, so that whoever has once been told to trust it may go on.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use tracing::info;

use super::facts::Facts;
use super::files::{TlsError, Why, certificates, pair};
use super::issue::{Made, Wanted};
use crate::config::{Config, PairFiles};

/// For how long it counts, in days.
const VALID_DAYS: u32 = 365;

/// One that counts for less is made anew.
const REMAINING_MIN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Makes the pair, if the configuration asks for one and there is none that is good for a while.
pub(crate) fn make_unless_good(config: &Config) -> Result<(), TlsError> {
    let Some(files) = &config.tls.own_made else { return Ok(()) };
    if is_good(files) {
        return Ok(());
    }
    let unwritable = |error| TlsError::new(&files.cert_file, Why::Unwritable(error));
    let wanted = Wanted { name: config.name.clone(), hosts: names(config), days: VALID_DAYS };
    let made = Made::by_itself(&wanted).map_err(|error| unwritable(io::Error::other(error)))?;
    let directory = files.cert_file.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unwritable)?;
    write(&files.key_file, &made.key, 0o600).map_err(unwritable)?;
    write(&files.cert_file, &made.certificate, 0o644).map_err(unwritable)?;
    info!(
        file = %files.cert_file.display(),
        "--auto-tls: made a certificate; clients trust it by `--cacert` and this file"
    );
    Ok(())
}

fn is_good(files: &PairFiles) -> bool {
    let certificate = pair(files).and_then(|_| certificates(&files.cert_file));
    let facts = certificate.ok().and_then(|found| Facts::of(found.first()?));
    facts.and_then(|facts| facts.remaining).is_some_and(|left| left >= REMAINING_MIN)
}

/// Every name by which the member may be reached.
fn names(config: &Config) -> Vec<String> {
    let own = config.own_hosts();
    let hosts = own.iter().map(|host| host.trim_matches(['[', ']']).to_owned());
    let listen = config.listen.ip();
    let listen = (!listen.is_unspecified()).then(|| listen.to_string());
    let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut names: Vec<String> = loopback.into_iter().chain(hosts).chain(listen).collect();
    names.sort();
    names.dedup();
    names
}

fn write(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let partial = file.with_extension("part");
    // What an earlier attempt left has its mode.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial)?;
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    fs::rename(&partial, file)
}

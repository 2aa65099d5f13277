//! `raftkv cert`: a CA for development, and certificates that it signs.
//!
//! Each makes two files, and never writes over one that is there: a key that is lost takes all with
//! it that trusts it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use server::tls::{Authority, Made, Wanted, is_host};

use crate::args::CertCommand;
use crate::failure::Failure;

/// The CA's files are called so.
const CA: &str = "ca";

/// A file's name is at most this long with what comes behind it.
const NAME_BYTES_MAX: usize = 200;

pub(crate) fn run(command: CertCommand, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        CertCommand::Ca { place, days } => {
            // Of its own: whoever meets a certificate of another such CA is told just that.
            let name = format!("raftkv development CA {:08x}", fastrand::u32(..));
            let files = Files::vacant(&place.dir, CA)?;
            let made = Authority::make(&Wanted { name, hosts: Vec::new(), days });
            files.write(&made.map_err(|error| Failure::Negative(error.to_string()))?)?;
            files.tell("keep the key where only you come: it can make members and clients", out)
        }
        CertCommand::Member { name, hosts, place, days } => {
            check_hosts(&hosts)?;
            let files = Files::vacant(&place.dir, &checked(&name)?)?;
            issue(&place.dir, &files, &Wanted { name, hosts, days })?;
            let how = format!(
                "start the member with --cert-file {} --key-file {} --client-ca-file {}",
                files.certificate.display(),
                files.key.display(),
                Files::of(&place.dir, CA).certificate.display()
            );
            files.tell(&how, out)
        }
        CertCommand::Client { user, place, days } => {
            let files = Files::vacant(&place.dir, &checked(&user)?)?;
            issue(&place.dir, &files, &Wanted { name: user, hosts: Vec::new(), days })?;
            let how = format!(
                "show it with --cert {} --cert-key {} --cacert {}",
                files.certificate.display(),
                files.key.display(),
                Files::of(&place.dir, CA).certificate.display()
            );
            files.tell(&how, out)
        }
    }
}

fn issue(dir: &Path, files: &Files, wanted: &Wanted) -> Result<(), Failure> {
    let ca = Files::of(dir, CA);
    let read = |file: &Path| {
        fs::read(file).map_err(|error| {
            let file = file.display();
            Failure::Negative(format!("{file}: {error}; `raftkv cert ca` makes a CA"))
        })
    };
    let authority = Authority::read(&read(&ca.certificate)?, &read(&ca.key)?);
    let of_ca = |why| Failure::Negative(format!("the CA in {}: {why}", dir.display()));
    let made = authority.map_err(of_ca)?.issue(wanted);
    files.write(&made.map_err(|error| Failure::Negative(error.to_string()))?)
}

fn check_hosts(hosts: &[String]) -> Result<(), Failure> {
    match hosts.iter().find(|host| !is_host(host)) {
        None => Ok(()),
        Some(other) => Err(Failure::Usage(format!(
            "--host {other:?}: write host names and IP addresses without ports, separated by commas"
        ))),
    }
}

/// A name that is a file's name, too.
fn checked(name: &str) -> Result<String, Failure> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    let is_good = !name.starts_with('.') && name.len() <= NAME_BYTES_MAX && !name.is_empty();
    match is_good && name != CA && name.bytes().all(is_plain) {
        true => Ok(name.to_owned()),
        false => Err(Failure::Usage(format!(
            "{name:?}: a name has letters, digits, '-', '_', '.' and '@', does not begin with '.', \
             and is not {CA}: files are called by it"
        ))),
    }
}

/// Where a certificate and its key are.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn of(dir: &Path, name: &str) -> Files {
        let file = |ending| dir.join(format!("{name}.{ending}"));
        Files { certificate: file("crt"), key: file("key") }
    }

    /// Two that are not there yet, in a directory that is.
    fn vacant(dir: &Path, name: &str) -> Result<Files, Failure> {
        let files = Files::of(dir, name);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| at(dir, &e))?;
        for file in [&files.certificate, &files.key] {
            if file.symlink_metadata().is_ok() {
                let reason = "is there already, and is not written over: move it away, or choose \
                              another --dir";
                return Err(Failure::Negative(format!("{} {reason}", file.display())));
            }
        }
        Ok(files)
    }

    /// The key first: a certificate that is there has one.
    fn write(&self, made: &Made) -> Result<(), Failure> {
        write(&self.key, &made.key, 0o600).map_err(|error| at(&self.key, &error))?;
        write(&self.certificate, &made.certificate, 0o644)
            .map_err(|error| at(&self.certificate, &error))
    }

    fn tell(&self, how: &str, out: &mut impl Write) -> Result<(), Failure> {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        Ok(writeln!(out, "made {certificate} and {key}\n{how}")?)
    }
}

fn at(file: &Path, error: &io::Error) -> Failure {
    Failure::Negative(format!("{}: {error}", file.display()))
}

fn write(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut written = OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
    written.write_all(text.as_bytes())?;
    written.sync_all()
}

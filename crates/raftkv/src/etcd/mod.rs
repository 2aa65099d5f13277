//! `raftkv etcd`: a member that is started with etcd's own command line, so that what starts an
//! etcd can start a raftkv.
//!
//! ```text
//! command line ─┐
//! ETCD_* ───────┼─ flags.rs (table.rs knows them all) ── plan.rs ──▶ Config ──▶ server
//! or a file ────┘                                            │
//!                                   urls.rs, ids.rs, logging.rs
//! ```
//!
//! The same happens if the program is called `etcd`, by a link to it.

mod file;
mod flags;
mod go;
mod ids;
mod logging;
mod plan;
mod table;
mod tls;
mod urls;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;

use server::ETCD_API_VERSION;
use tracing::info;

use self::flags::{Asked, Flags};
use self::plan::Plan;
use self::table::{FLAGS, Fate};
use crate::failure::Failure;
use crate::{log, start};

/// The program's name that makes its command line etcd's.
const PROGRAM: &str = "etcd";

/// The command line behind the program's name, if that makes it etcd's.
pub(crate) fn called_so(mut words: impl Iterator<Item = OsString>) -> Option<Vec<OsString>> {
    let program = words.next()?;
    let is_etcd = Path::new(&program).file_name() == Some(OsStr::new(PROGRAM));
    is_etcd.then(|| words.collect())
}

pub(crate) async fn run(words: Vec<OsString>, out: &mut impl Write) -> Result<(), Failure> {
    let words = words.into_iter().map(OsString::into_string).collect::<Result<Vec<_>, _>>();
    let words = words.map_err(|word| Failure::Usage(format!("{word:?} is no UTF-8")))?;
    let environment: Vec<(String, String)> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let flags = match Flags::settle(&words, &environment).map_err(Failure::Usage)? {
        Asked::Help => return Ok(help(out)?),
        Asked::Version => return Ok(versions(out)?),
        Asked::Run(flags) => flags,
    };
    let plan = plan::make(flags, plan::has_begun).map_err(Failure::Usage)?;
    let Plan { config, log, notes } = plan;
    plan::refuse_an_etcds(&config.data_dir).map_err(Failure::Negative)?;
    let log = log::init(&log).map_err(|error| Failure::Negative(format!("the log: {error}")))?;
    for note in notes {
        info!("{note}");
    }
    start::serve(config, log, std::future::pending()).await
}

/// Whoever reads a version reads the first line.
fn versions(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "etcd Version: {ETCD_API_VERSION}")?;
    writeln!(out, "raftkv Version: {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "OS/Arch: {}/{}", env::consts::OS, env::consts::ARCH)
}

fn help(out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "Run one member, started with etcd's own command line\n")?;
    writeln!(out, "Usage: raftkv etcd [FLAGS]\n")?;
    writeln!(
        out,
        "-flag and --flag, with a space or a = before the value; the last one counts. Each is\n\
         also ETCD_FLAG in the environment. docs/etcd.md says more.\n"
    )?;
    for flag in FLAGS {
        if let Fate::Used { default, help } = flag.fate {
            writeln!(out, "  --{} '{default}'\n        {help}", flag.name)?;
        }
    }
    let named = |wanted: fn(&Fate) -> bool| {
        let names = FLAGS.iter().filter(|flag| wanted(&flag.fate)).map(|flag| flag.name);
        names.collect::<Vec<_>>().join(" ")
    };
    let refused = named(|fate| matches!(fate, Fate::Refused { .. }));
    let idle = named(|fate| *fate == Fate::Idle);
    writeln!(out, "\nRefused, with what to do instead:\n  {refused}")?;
    writeln!(out, "\nTaken, and without meaning here:\n  {idle}")
}

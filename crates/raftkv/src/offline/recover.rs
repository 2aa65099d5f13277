//! `raftkv recover --as-single-voter`: after the loss of a majority, one member goes on alone.

use std::io::Write;

use disk::OsDisk;
use raft::MemberId;
use replica::{
    Configuration, LogOptions, Recovered, append_configuration, configuration_alone, open_log,
    open_snapshots,
};
use wal::{DataDirectory, Identity};

use super::open;
use crate::args::RecoverArgs;
use crate::failure::Failure;

/// Entries of the log that are kept in memory, in bytes: none is needed.
const TAIL_BYTES_MAX: usize = 1 << 20;

/// Makes the member of a directory the only one of a new cluster.
pub(crate) fn recover(args: &RecoverArgs, out: &mut impl Write) -> Result<(), Failure> {
    let mut directory = open(&args.dir)?;
    let snapshots = directory.snapshots_path();
    let options = LogOptions { salt: draw()?, ..LogOptions::default() };
    let opened = open_log(&OsDisk, &directory.log_path(), &snapshots, options, TAIL_BYTES_MAX);
    let (mut worker, mut recovered) = opened.map_err(negative)?;
    let (_, found) = open_snapshots(OsDisk, &snapshots, &mut recovered).map_err(negative)?;
    if recovered.restored.log.start().index.0 > 0 && found.store.is_none() {
        let message = "no snapshot fits the log, and the log does not begin at its first entry: \
             recover from another member";
        return Err(Failure::Negative(message.to_owned()));
    }

    let id = MemberId(directory.identity().member_id);
    let (cluster_id, incarnation) = (draw_long()?, draw_long()?);
    let was = recovered.configuration.as_ref();
    let now = configuration_alone(was, id, cluster_id, incarnation).map_err(negative)?;
    say_what_it_means(&directory, &recovered, was, out)?;
    if !args.yes {
        let message = "nothing was changed: say --yes to do it";
        return Err(Failure::Usage(message.to_owned()));
    }
    // The log first: a crash in between leaves a directory that does not start, and this command
    // can be run again.
    append_configuration(&mut worker, &recovered, &now).map_err(negative)?;
    directory.refound(cluster_id, incarnation).map_err(negative)?;
    let name = &directory.identity().name;
    writeln!(out, "{name} is now the only member of the new cluster {cluster_id:032x}")?;
    writeln!(
        out,
        "start it as before; let others join it with `raftkv start --join`, each with an \
         empty data directory"
    )?;
    Ok(())
}

fn say_what_it_means(
    directory: &DataDirectory<OsDisk>,
    recovered: &Recovered,
    was: Option<&Configuration>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let Identity { name, .. } = directory.identity();
    let (last, commit) =
        (recovered.restored.log.last().index.0, recovered.restored.hard_state.commit.0);
    let others = was.map_or(0, |was| was.members.len().saturating_sub(1));
    writeln!(out, "{name} keeps every entry up to {last}, and goes on without {others} others.")?;
    writeln!(out, "- Entries up to {commit} are known to be committed.")?;
    if last > commit {
        writeln!(
            out,
            "- Entries {}..={last} may or may not have been acknowledged; they count from \
             now on.",
            commit + 1
        )?;
    }
    writeln!(
        out,
        "- What others acknowledged after entry {last}, and this member never received, \
         is LOST."
    )?;
    if let Some((_, lost_to)) = recovered.log.floor {
        writeln!(out, "- This log was damaged: entries up to {lost_to} were here, and are LOST.")?;
    }
    writeln!(
        out,
        "- The cluster gets a new id: members of the old one can neither join nor \
         disturb it."
    )?;
    writeln!(out, "  Make sure that they do not go on by themselves elsewhere.")?;
    Ok(())
}

fn negative(error: impl std::fmt::Display) -> Failure {
    Failure::Negative(error.to_string())
}

fn draw() -> Result<u64, Failure> {
    getrandom::u64().map_err(negative)
}

fn draw_long() -> Result<u128, Failure> {
    Ok(u128::from(draw()?) << 64 | u128::from(draw()?))
}

//! `raftkv check`: reads everything in a data directory, and says exactly what is wrong with it.

use std::io::Write;

use disk::OsDisk;
use wal::snapshot::{Skipped, SnapshotInfo, Snapshots};
use wal::{Identity, LogReport, SegmentReport};

use super::{open, shown, shown_or_none};
use crate::args::CheckArgs;
use crate::failure::Failure;

/// Everything in a directory.
struct Found {
    identity: Identity,
    log: LogReport,
    good: Vec<SnapshotInfo>,
    damaged: Vec<Skipped>,
}

/// Exit code 0: sound; 1: damaged, or no member's directory.
pub(crate) fn check(args: &CheckArgs, out: &mut impl Write) -> Result<(), Failure> {
    let directory = open(&args.dir)?;
    let failed = |error: &dyn std::fmt::Display| Failure::Negative(error.to_string());
    let (good, damaged) =
        Snapshots::inspect(&OsDisk, &directory.snapshots_path()).map_err(|error| failed(&error))?;
    let usable: Vec<(u64, u64)> = good.iter().map(|info| info.meta.last).collect();
    let log = wal::inspect(OsDisk, &directory.log_path(), &usable, &mut |_| {})
        .map_err(|error| failed(&error))?;
    let found = Found { identity: directory.identity().clone(), log, good, damaged };
    found.print(out)?;
    let problems = found.log.damages.len() + found.damaged.len();
    match problems {
        0 => Ok(()),
        1 => Err(Failure::Negative("1 problem".to_owned())),
        _ => Err(Failure::Negative(format!("{problems} problems"))),
    }
}

impl Found {
    fn print(&self, out: &mut impl Write) -> Result<(), Failure> {
        let Identity { name, member_id, cluster_id, .. } = &self.identity;
        let cluster = cluster_id.map_or_else(|| "none yet".to_owned(), |id| format!("{id:032x}"));
        writeln!(out, "member {name} ({member_id:016x}), cluster {cluster}")?;
        for segment in &self.log.segments {
            print_segment(segment, out)?;
        }
        for info in &self.good {
            let (path, last) = (info.path.display(), shown(info.meta.last));
            writeln!(out, "{path}: snapshot up to {last}, {} bytes, sound", info.bytes)?;
        }
        self.print_log(out)?;
        for skipped in &self.damaged {
            writeln!(out, "DAMAGED: {}", skipped.error)?;
            writeln!(out, "  it is passed over for the one before, and replaced by the next one")?;
        }
        Ok(())
    }

    fn print_log(&self, out: &mut impl Write) -> Result<(), Failure> {
        let log = &self.log;
        let (start, last) = (shown_or_none(log.start), shown_or_none(log.last));
        let wal::HardState { term, vote, commit } = log.hard_state;
        let vote = vote.map_or_else(|| "none".to_owned(), |vote| format!("{vote:016x}"));
        writeln!(out, "log: starts after entry {start}, last entry {last}")?;
        writeln!(out, "     term {term}, vote {vote}, committed at least up to {commit}")?;
        if let Some(floor) = log.floor {
            let floor = shown(floor);
            writeln!(out, "     it lost entries up to {floor} once, and is getting them again")?;
        }
        let end = match log.closed {
            true => "it ends with a closing frame: damage to its last flush would show",
            false => "it was not closed: damage to its last flush would pass for a torn end",
        };
        writeln!(out, "     {end}")?;
        if let Some(torn) = &log.torn_tail {
            let (segment, offset) = (torn.segment, torn.offset);
            writeln!(
                out,
                "     a flush was cut short (segment {segment}, byte {offset}): harmless"
            )?;
        }
        for damage in &log.damages {
            let wal::Corruption { path, offset, damage, sound_index } = damage;
            writeln!(out, "DAMAGED: {} at byte {offset}: {damage}", path.display())?;
            if *sound_index > 0 {
                writeln!(out, "  the last sound entry before it is {sound_index}")?;
            }
        }
        self.print_forecast(out)
    }

    fn print_forecast(&self, out: &mut impl Write) -> Result<(), Failure> {
        match &self.log.forecast {
            _ if self.log.is_sound() => {}
            Some(wal::Forecast { last, lost_to: Some(lost_to) }) => {
                let (last, lost_to) = (shown_or_none(*last), shown(*lost_to));
                writeln!(
                    out,
                    "  a start of the member keeps what is up to {last}, sets the damaged \
                     files aside,\n  and fetches what is lost, up to {lost_to}, from the leader: \
                     check the disk first"
                )?;
            }
            Some(wal::Forecast { lost_to: None, .. }) => {
                writeln!(
                    out,
                    "  nothing is lost: a snapshot stands for what is damaged; a start of \
                     the member sets it aside"
                )?;
            }
            None => {
                writeln!(
                    out,
                    "  what this member promised to others is lost: it can not start \
                     again; replace it by a\n  new one (`raftkv member replace`), or restore the \
                     files"
                )?;
            }
        }
        Ok(())
    }
}

fn print_segment(segment: &SegmentReport, out: &mut impl Write) -> Result<(), Failure> {
    let SegmentReport { path, live, first_index, frames, records } = segment;
    let path = path.display();
    if *live {
        writeln!(out, "{path}: from entry {first_index} on, {records} entries, {frames} flushes")?;
    } else {
        writeln!(out, "{path}: not needed any more; removed at the next start")?;
    }
    Ok(())
}

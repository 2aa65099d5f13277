//! Verbs of snapshots and cut logs.

use raft::{Index, LogId, MemberId};

use super::Outcome;
use crate::cluster::Cluster;

impl Cluster {
    pub(super) fn cut_logs(&mut self, ids: &[MemberId], to: Index) -> Outcome {
        for &id in ids {
            let term = self.raft(id).log().term_at(to).ok_or("the log does not hold that")?;
            self.cut_log(id, LogId::new(term, to));
        }
        Ok(())
    }

    /// The oldest one on its way to this member.
    fn position_of_snapshot(&self, to: MemberId) -> Result<usize, &'static str> {
        let position = self.snapshots.iter().position(|flight| flight.to == to);
        position.ok_or("no snapshot is on its way there")
    }

    pub(super) fn deliver_oldest_snapshot(&mut self, to: MemberId) -> Outcome {
        let position = self.position_of_snapshot(to)?;
        self.deliver_snapshot(position);
        Ok(())
    }

    pub(super) fn duplicate_snapshot(&mut self, to: MemberId) -> Outcome {
        let flight = self.snapshots[self.position_of_snapshot(to)?].clone();
        self.snapshots.push(flight);
        Ok(())
    }

    pub(super) fn lose_snapshot(&mut self, to: MemberId) -> Outcome {
        let position = self.position_of_snapshot(to)?;
        let flight = self.snapshots.remove(position);
        self.trace
            .line(format!("{}⇏{to} the snapshot at {} is lost", flight.from, flight.point.last));
        Ok(())
    }
}

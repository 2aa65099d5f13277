//! Verbs of processes and disks, and the making of a cluster.

use std::error::Error;

use bytes::Bytes;
use raft::{Config, Entry, EntryKind, HardState, Index, LogId, MemberId, Term};

use super::Outcome;
use super::wires::log_id;
use crate::cluster::Cluster;

/// Feeds every cluster of the scripts: the same script gives the same trace.
const SEED: u64 = 1;

/// `cluster key=number …`.
pub(super) fn cluster(settings: &[(String, u64)]) -> Result<Cluster, Box<dyn Error>> {
    let (mut nodes, mut leader) = (3, None);
    let mut changes = Vec::new();
    for (key, value) in settings {
        match key.as_str() {
            "nodes" => nodes = *value,
            "leader" => leader = Some(MemberId(*value)),
            key => changes.push((field(key)?, usize::try_from(*value)?)),
        }
    }
    let mut cluster = Cluster::new(nodes, SEED, |config| {
        for &(field, value) in &changes {
            *field(config) = value;
        }
    });
    cluster.trace.enabled = true;
    if let Some(leader) = leader {
        cluster.campaign(leader);
        cluster.stabilize();
    }
    Ok(cluster)
}

type Field = fn(&mut Config) -> &mut usize;

/// The setting that a key means.
fn field(key: &str) -> Result<Field, String> {
    match key {
        "message_bytes" => Ok(|config| &mut config.message_bytes_max),
        "inflight_bytes" => Ok(|config| &mut config.inflight_bytes_max),
        "tail_bytes" => Ok(|config| &mut config.tail_bytes_max),
        "uncommitted_bytes" => Ok(|config| &mut config.uncommitted_bytes_max),
        key => Err(format!("no setting is called {key}")),
    }
}

/// What a member finds on its disk.
#[derive(Default)]
pub(super) struct Found {
    hard_state: HardState,
    entries: Vec<Entry>,
    floor: LogId,
}

impl Found {
    pub(super) fn parse(settings: &[(String, String)]) -> Result<Found, Box<dyn Error>> {
        let mut found = Found::default();
        for (key, value) in settings {
            match key.as_str() {
                "log" => found.entries = entries(value)?,
                "term" => found.hard_state.term = Term(value.parse()?),
                "vote" => found.hard_state.vote = Some(MemberId(value.parse()?)),
                "floor" => found.floor = log_id(value)?,
                "config" => found.configure(value)?,
                "commit" => found.hard_state.commit = Index(value.parse()?),
                key => return Err(format!("a disk has no {key}").into()),
            }
        }
        let last = found.entries.last().map_or(Term(0), |entry| entry.id.term);
        found.hard_state.term = found.hard_state.term.max(last);
        Ok(found)
    }

    /// `index: text`; the log comes before it.
    fn configure(&mut self, value: &str) -> Outcome {
        let (index, text) =
            value.split_once(':').ok_or("a configuration is written index: text")?;
        let position = index.trim().parse::<usize>()?.checked_sub(1);
        let entry = position.and_then(|position| self.entries.get_mut(position));
        let entry = entry.ok_or("the log has no such entry")?;
        entry.kind = EntryKind::Configuration;
        entry.payload = Bytes::copy_from_slice(text.trim().as_bytes());
        Ok(())
    }
}

/// One entry a term, from index 1 on.
fn entries(terms: &str) -> Result<Vec<Entry>, Box<dyn Error>> {
    let entry = |(term, index): (&str, u64)| {
        let id = LogId::new(Term(term.parse()?), Index(index));
        Ok(Entry { id, kind: EntryKind::Command, stamp_ms: 0, age_ms: 0, payload: Bytes::new() })
    };
    terms.split_whitespace().zip(1..).map(entry).collect()
}

impl Cluster {
    pub(super) fn find(&mut self, id: MemberId, found: Found) {
        self.crash(id);
        self.replace_disk(id, found.hard_state, found.entries, found.floor);
        self.restart(id);
    }

    pub(super) fn persist_some(&mut self, id: MemberId, count: Option<usize>) -> Outcome {
        let mut done = 0;
        while done < count.unwrap_or(usize::MAX) && self.persist_next(id) {
            done += 1;
        }
        let enough = done >= count.unwrap_or(1);
        if enough { Ok(()) } else { Err(format!("only {done} batches wait for the disk").into()) }
    }

    pub(super) fn answer_read(&mut self, id: MemberId) -> Outcome {
        if self.read_next(id) { Ok(()) } else { Err("it asked for no entries".into()) }
    }
}

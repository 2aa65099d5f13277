//! Verbs of the network.

use std::error::Error;

use bytes::Bytes;
use raft::{AppendResult, Body, Entry, EntryKind, Index, LogId, MemberId, Message, Term};

use crate::cluster::Cluster;
use crate::cluster::network::Filter;

pub(super) fn filter(settings: &[(String, String)]) -> Result<Filter, Box<dyn Error>> {
    let mut filter = Filter::default();
    for (key, value) in settings {
        match key.as_str() {
            "from" => filter.from = Some(MemberId(value.parse()?)),
            "to" => filter.to = Some(MemberId(value.parse()?)),
            "kind" => filter.kind = Some(value.clone()),
            "count" => filter.count = Some(value.parse()?),
            key => return Err(format!("messages are not chosen by {key}").into()),
        }
    }
    Ok(filter)
}

impl Cluster {
    pub(super) fn deliver_some(&mut self, filter: &Filter) {
        for packet in self.network.take(filter) {
            // A refusal is in the trace.
            let _refused = self.deliver(packet);
        }
    }

    pub(super) fn drop_some(&mut self, filter: &Filter) {
        for packet in self.network.take(filter) {
            self.trace.lost(packet.from, packet.envelope.to, &packet.envelope.message);
        }
    }

    pub(super) fn duplicate_some(&mut self, filter: &Filter) {
        for packet in self.network.take(filter) {
            self.network.post(packet.clone());
            self.network.post(packet);
        }
    }

    /// No link between these and the others works.
    pub(crate) fn partition(&mut self, side: &[MemberId]) {
        let others: Vec<MemberId> =
            self.members.keys().copied().filter(|id| !side.contains(id)).collect();
        for &one in side {
            for &other in &others {
                self.network.cut(one, other);
                self.network.cut(other, one);
            }
        }
    }
}

/// A message made up.
pub(super) struct Injected {
    pub(super) from: MemberId,
    pub(super) to: MemberId,
    pub(super) message: Message,
}

impl Injected {
    pub(super) fn parse(
        kind: &str,
        settings: &[(String, String)],
    ) -> Result<Injected, Box<dyn Error>> {
        let text = |key: &str| {
            settings.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
        };
        let number = |key: &str| text(key).unwrap_or("0").parse::<u64>();
        let body = match kind {
            "append" => Body::Append {
                previous: log_id(text("prev").unwrap_or("0@0"))?,
                entries: configured(
                    entries(text("entries").unwrap_or(""), usize::try_from(number("bytes")?)?)?,
                    text("configuration"),
                ),
                commit: Index(number("commit")?),
                round: number("round")?,
                age_ms: 0,
            },
            "append_answer" => Body::AppendAnswer {
                round: number("round")?,
                result: AppendResult::Accepted { matched: Index(number("matched")?) },
            },
            "vote" => Body::Vote { last: log_id(text("last").unwrap_or("0@0"))?, transfer: false },
            "timeout_now" => Body::TimeoutNow,
            kind => return Err(format!("no {kind} can be injected").into()),
        };
        let message = Message { term: Term(number("term")?), body };
        Ok(Injected { from: MemberId(number("from")?), to: MemberId(number("to")?), message })
    }
}

/// `index@term`.
pub(super) fn log_id(text: &str) -> Result<LogId, Box<dyn Error>> {
    let (index, term) = text.split_once('@').ok_or("a log id is written index@term")?;
    Ok(LogId::new(Term(term.parse()?), Index(index.parse()?)))
}

/// Each filled up to so many bytes.
fn entries(text: &str, bytes: usize) -> Result<Vec<Entry>, Box<dyn Error>> {
    let mut payload = b"forged".to_vec();
    payload.resize(bytes.max(payload.len()), b'.');
    let payload = Bytes::from(payload);
    let entry = |text: &str| {
        let (id, payload) = (log_id(text)?, payload.clone());
        // Later than anything a script has: time never goes back along a log.
        let (stamp_ms, age_ms) = (u64::MAX, u64::MAX);
        Ok(Entry { id, kind: EntryKind::Command, stamp_ms, age_ms, payload })
    };
    text.split_whitespace().map(entry).collect()
}

/// The last of the entries is that configuration.
fn configured(mut entries: Vec<Entry>, configuration: Option<&str>) -> Vec<Entry> {
    if let (Some(last), Some(text)) = (entries.last_mut(), configuration) {
        last.kind = EntryKind::Configuration;
        last.payload = Bytes::copy_from_slice(text.as_bytes());
    }
    entries
}

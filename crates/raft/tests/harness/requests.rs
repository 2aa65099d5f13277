//! Verbs of clients and of the shell around a core.

use bytes::Bytes;
use raft::MemberId;

use crate::cluster::Cluster;

impl Cluster {
    pub(super) fn propose_texts(&mut self, id: MemberId, texts: &[String], bytes: Option<usize>) {
        let filled = |text: &String| {
            let mut payload = text.clone().into_bytes();
            payload.resize(bytes.unwrap_or(payload.len()), b'.');
            Bytes::from(payload)
        };
        if let Err(error) = self.propose(id, texts.iter().map(filled).collect()) {
            self.trace.line(format!("{id} refuses the proposal: {error}"));
        }
    }

    pub(super) fn ask_change(&mut self, id: MemberId, to: &str) {
        if let Err(error) = self.change(id, to) {
            self.trace.line(format!("{id} refuses the change: {error}"));
        }
    }

    pub(super) fn ask_read(&mut self, id: MemberId) {
        // Its number is in the trace as soon as it is answered.
        let _read = self.read(id);
    }

    pub(super) fn ask_transfer(&mut self, id: MemberId, to: Option<MemberId>) {
        if let Err(error) = self.transfer(id, to) {
            self.trace.line(format!("{id} refuses to hand over: {error}"));
        }
    }
}

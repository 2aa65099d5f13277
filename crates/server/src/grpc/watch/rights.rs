//! Whose the watches of a stream are, and whether they still may.
//!
//! A watch may go on for weeks. So when the tables of who may do what have changed, whoever is told
//! of is asked for again before anything more is told to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use store::{KeyRange, Need};
use tonic::metadata::MetadataMap;

use crate::access::Seen;
use crate::grpc::gate::{Gate, Guest};
use crate::grpc::refusal::Refusal;

/// The rights of one stream's watches.
pub(super) struct Rights {
    gate: Arc<Gate>,
    metadata: MetadataMap,
    watches: BTreeMap<i64, (Guest, KeyRange)>,
    seen: Seen,
}

impl Rights {
    pub(super) fn new(gate: Arc<Gate>, metadata: MetadataMap) -> Rights {
        let seen = Seen::now(gate.node());
        Rights { gate, metadata, watches: BTreeMap::new(), seen }
    }

    /// Whoever asks may watch these keys.
    pub(super) async fn guest(&self, range: &KeyRange) -> Result<Guest, Refusal> {
        let guest = self.gate.guest(&self.metadata).await?;
        guest.permit(Need::Read(range)).await?;
        Ok(guest)
    }

    /// A watch begins.
    pub(super) fn insert(&mut self, id: i64, guest: Guest, range: KeyRange) {
        self.watches.insert(id, (guest, range));
    }

    /// A watch is over.
    pub(super) fn remove(&mut self, id: i64) {
        self.watches.remove(&id);
    }

    /// The watches that may not go on, and why; each is told once.
    pub(super) fn lost(&mut self) -> Vec<(i64, Refusal)> {
        if !self.seen.changed(self.gate.node()) {
            return Vec::new();
        }
        let mut lost = Vec::new();
        self.watches.retain(|id, (guest, range)| {
            let refused = guest.reader(Need::Read(range)).err();
            lost.extend(refused.map(|refused| (*id, refused)));
            refused.is_none()
        });
        lost
    }
}

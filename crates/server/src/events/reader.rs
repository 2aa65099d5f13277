//! One who looks: what they are told, as far as they may see it.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use store::{AuthRefused, KeyRange, Need};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::envelope::{Envelope, written};
use super::feed::{Feed, NotLooking, Place};
use super::id::Id;
use crate::access::{Seen, Visit};

/// One connection's events. Dropping it ends it.
pub(crate) struct Reader {
    visit: Visit,
    seen: Seen,
    envelopes: Receiver<Arc<Envelope>>,
    /// The number of the first event that was not told yet.
    next: Option<u64>,
    greeting: Option<Bytes>,
    place: Place,
}

/// Why nothing more is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The member stops.
    Stopped,
    /// Whoever asks may not look any more.
    Refused(AuthRefused),
}

/// The first event of a connection.
#[derive(Serialize)]
struct Hello<'a> {
    kind: &'static str,
    t_us: u64,
    member: Id,
    name: &'a str,
    cluster_id: Option<String>,
    version: &'a str,
    auth: bool,
    user: Option<String>,
}

impl Reader {
    /// Whoever visits looks from now on; `seen` was taken before it was asked whether they may.
    pub(crate) fn begin(visit: Visit, seen: Seen) -> Result<Reader, NotLooking> {
        let (place, envelopes, state) = Feed::enter_reader(visit.node())?;
        let hello = hello(&visit);
        let greeting = written(0, [hello.as_str()].into_iter().chain(state.as_deref()));
        Ok(Reader { visit, seen, envelopes, next: None, greeting: Some(greeting), place })
    }

    /// What is told next, as JSON.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Ended> {
        if let Some(greeting) = self.greeting.take() {
            return Ok(greeting);
        }
        loop {
            let envelope = match self.envelopes.recv().await {
                Ok(envelope) => envelope,
                // The numbers tell how many there were.
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return Err(Ended::Stopped),
            };
            if let Some(text) = self.told(&envelope)? {
                return Ok(text);
            }
        }
    }

    fn told(&mut self, envelope: &Envelope) -> Result<Option<Bytes>, Ended> {
        let node = self.place.node();
        if self.seen.changed(node) {
            self.visit.may(Need::Known).map_err(Ended::Refused)?;
        }
        let next = self.next.replace(envelope.next());
        let lost = envelope.number.saturating_sub(next.unwrap_or(envelope.number));
        let may_see =
            |key: &Bytes| self.visit.may(Need::Read(&KeyRange::Single(key.clone()))).is_ok();
        let is_checked = node.store().auth().is_enabled();
        let text = envelope.text(lost, is_checked.then_some(&may_see as _));
        node.feed().note_lost(lost.saturating_add(envelope.left_out));
        Ok(text)
    }
}

fn hello(visit: &Visit) -> String {
    let (node, status) = (visit.node(), visit.node().status());
    let cluster = status.configuration.as_ref();
    let hello = Hello {
        kind: "hello",
        t_us: node.feed().desk().clock.now_us(),
        member: Id(status.about.id),
        name: &status.about.name,
        cluster_id: cluster.map(|cluster| format!("{:032x}", cluster.cluster_id)),
        version: status.about.version,
        auth: node.store().auth().is_enabled(),
        user: visit.user(),
    };
    serde_json::to_string(&hello).expect("our shapes have text keys and plain values")
}

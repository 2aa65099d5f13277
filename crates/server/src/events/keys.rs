//! What became of keys, read from the store's own list of what each revision did: at most so many
//! at a time, whatever is written, and never a value.

use bytes::Bytes;
use serde::Serialize;
use store::{
    Event as StoreEvent, EventKind, EventPosition, EventsRequest, KeyRange, Lifetime, Reader,
    Revision,
};

use super::event::What;
use super::id::Id;
use super::window::{EXPIRED_MAX, FREQUENT_MAX, Window};
use crate::http::text_or_base64;

/// So many are told of a window; one of them then stands for those that were not.
const KEYS_MAX: usize = 24;

/// So many bytes of a key are told.
const KEY_BYTES_MAX: usize = 256;

/// So many are read to find these: a revision may have a million.
const READ_MAX: usize = 1_024;

/// One call reads little more than so many bytes of keys and values; these are not copied.
const READ_BYTES_MAX: usize = 1 << 20;

/// What became of one key.
#[derive(Debug)]
pub(super) struct KeyEvent {
    pub(super) key: Bytes,
    pub(super) t_us: u64,
    /// As it is told.
    pub(super) text: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    kind: &'static str,
    t_us: u64,
    member: Id,
    op: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_bytes: Option<usize>,
    revision: u64,
    bytes: usize,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<String>,
    #[serde(skip_serializing_if = "is_one")]
    count: u64,
}

/// Reads on from where it was.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The first revision that was not told; none before somebody looked.
    next: Option<u64>,
    /// What is known of the revisions from there on.
    past: Past,
}

/// What the replica thread has noted of revisions that were not told yet.
#[derive(Debug, Default)]
struct Past {
    /// In these, keys have expired.
    expired: Vec<u64>,
    /// Up to which revision the store showed when.
    applied: Vec<(u64, u64)>,
}

/// So many moments are remembered at which the store showed more.
const APPLIED_MAX: usize = 4 * FREQUENT_MAX;

/// What is known of the moment.
pub(super) struct Moment {
    pub(super) member: Id,
    pub(super) now_us: u64,
    /// For how long the cluster has had a leader, ms.
    pub(super) age_ms: u64,
    /// All up to here may be told.
    pub(super) revision: u64,
}

impl Keys {
    /// Whoever looks from now on is told of what comes.
    pub(super) fn skip(&mut self) {
        self.next = None;
        self.past = Past::default();
    }

    /// Remembers what a window says of revisions. They may be told much later: a window that ends
    /// before the replica thread has a turn tells of no keys.
    pub(super) fn note(&mut self, window: &Window) {
        let Past { expired, applied } = &mut self.past;
        expired.extend(&window.expired);
        applied.extend(window.events.iter().filter_map(|event| match event.what {
            What::Applied { revision, .. } => Some((event.t_us, revision)),
            _ => None,
        }));
        // The newest are told.
        expired.drain(..expired.len().saturating_sub(EXPIRED_MAX));
        applied.drain(..applied.len().saturating_sub(APPLIED_MAX));
    }

    /// The newest of what has become of keys since the last call.
    pub(super) fn take(&mut self, store: &Reader, moment: &Moment) -> Vec<KeyEvent> {
        let past = std::mem::take(&mut self.past);
        let Some(next) = self.next.replace(moment.revision.saturating_add(1)) else {
            return Vec::new();
        };
        // Another state may have taken the place of the one before.
        if next > moment.revision {
            return Vec::new();
        }
        // Each revision has an event at least, so more is not needed to tell the newest.
        let from = next.max(moment.revision.saturating_sub(KEYS_MAX as u64 - 1));
        let request = EventsRequest {
            from: EventPosition::from(Revision(from)),
            range: KeyRange::all(),
            prev_kv: false,
            events_max: READ_MAX,
            told_bytes_max: READ_BYTES_MAX,
        };
        // What is compacted already is not told.
        let Ok(page) = store.events(&request) else { return Vec::new() };
        let is_due = |event: &&StoreEvent| event.revision.0 <= moment.revision;
        let due: Vec<&StoreEvent> = page.events.iter().filter(is_due).collect();
        let skipped = due.len().saturating_sub(KEYS_MAX);
        let unread = due.last().map_or(0, |last| moment.revision - last.revision.0);
        let mut left_out = (from - next) + skipped as u64 + unread;
        let told =
            |event: &&StoreEvent| moment.told(event, &past, 1 + std::mem::take(&mut left_out));
        due[skipped..].iter().map(told).collect()
    }
}

impl Moment {
    fn told(&self, event: &StoreEvent, past: &Past, count: u64) -> KeyEvent {
        let (revision, key) = (event.revision.0, event.key());
        let (text, base64) = text_or_base64(beginning(key));
        let t_us = past.shown_us(revision).unwrap_or(self.now_us);
        let (op, bytes, version, lifetime) = match &event.kind {
            EventKind::Put(live) => ("put", live.value.len(), live.version, live.lifetime),
            EventKind::Delete { .. } => {
                let op = if past.expired.contains(&revision) { "expire" } else { "delete" };
                (op, 0, 0, Lifetime::Unbounded)
            }
        };
        let shown = Shown {
            kind: "key",
            t_us,
            member: self.member,
            op,
            key: text,
            key_base64: base64,
            key_bytes: (key.len() > KEY_BYTES_MAX).then_some(key.len()),
            revision,
            bytes,
            version,
            expires_us: self.expires_us(lifetime),
            lease: Some(lifetime.lease().0).filter(|lease| *lease != 0).map(|id| id.to_string()),
            count,
        };
        let text = serde_json::to_string(&shown).expect("our shapes are plain values");
        KeyEvent { key: key.clone(), t_us, text }
    }

    /// When a time of its own is over, or was.
    fn expires_us(&self, lifetime: Lifetime) -> Option<u64> {
        let Lifetime::Until { age_ms } = lifetime else { return None };
        let until_us = self.now_us.saturating_add(age_ms.saturating_mul(1_000));
        Some(until_us.saturating_sub(self.age_ms.saturating_mul(1_000)))
    }
}

impl Past {
    /// When the store showed it.
    fn shown_us(&self, revision: u64) -> Option<u64> {
        self.applied.iter().find(|(_, shown)| *shown >= revision).map(|(t_us, _)| *t_us)
    }
}

/// As much of a key as is told, without a letter that is cut in two.
fn beginning(key: &[u8]) -> &[u8] {
    let bytes = str::from_utf8(key)
        .map_or(KEY_BYTES_MAX.min(key.len()), |text| text.floor_char_boundary(KEY_BYTES_MAX));
    &key[..bytes]
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;

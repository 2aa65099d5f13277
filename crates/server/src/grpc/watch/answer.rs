//! What watchers are told, in etcd's words.

use proto::etcd::etcdserverpb::{ResponseHeader, WatchResponse};
use proto::etcd::mvccpb::{Event, KeyValue, event::EventType};
use replica::{Batch, WatchRefusal};
use store::EventKind;

use crate::grpc::gate::number;
use crate::grpc::keys::shown;
use crate::watch::{NotWatching, WATCHERS_PER_STREAM_MAX};

/// The id of a watch that never was, and of what concerns all watches of a stream.
pub(super) const NO_WATCH: i64 = -1;

/// It is there from now on.
pub(super) fn created(header: ResponseHeader, watch_id: i64) -> WatchResponse {
    WatchResponse { header: Some(header), watch_id, created: true, ..WatchResponse::default() }
}

/// It can not be, and has never been.
pub(super) fn refused(header: ResponseHeader, reason: impl Into<String>) -> WatchResponse {
    WatchResponse { canceled: true, cancel_reason: reason.into(), ..created(header, NO_WATCH) }
}

/// It is over, because its client wanted that.
pub(super) fn canceled(header: ResponseHeader, watch_id: i64) -> WatchResponse {
    WatchResponse { header: Some(header), watch_id, canceled: true, ..WatchResponse::default() }
}

/// It is over: what it is to read next is gone. The header tells no revision: none was told.
pub(super) fn compacted(header: ResponseHeader, watch_id: i64, oldest: u64) -> WatchResponse {
    let header = ResponseHeader { revision: 0, ..header };
    WatchResponse { compact_revision: number(oldest), ..canceled(header, watch_id) }
}

/// All up to the header's revision was told.
pub(super) fn progress(header: ResponseHeader, watch_id: i64) -> WatchResponse {
    WatchResponse { header: Some(header), watch_id, ..WatchResponse::default() }
}

/// What a revision did.
pub(super) fn batch(header: ResponseHeader, watch_id: i64, batch: &Batch) -> WatchResponse {
    WatchResponse {
        header: Some(header),
        watch_id,
        fragment: batch.goes_on,
        events: batch.events.iter().map(|event| shown_event(event)).collect(),
        ..WatchResponse::default()
    }
}

fn shown_event(event: &store::Event) -> Event {
    let (kind, kv) = match &event.kind {
        EventKind::Put(key_value) => (EventType::Put, shown(key_value.clone())),
        EventKind::Delete { key } => {
            let mod_revision = number(event.revision.0);
            (EventType::Delete, KeyValue { key: key.clone(), mod_revision, ..KeyValue::default() })
        }
    };
    Event { r#type: kind.into(), kv: Some(kv), prev_kv: event.prev.clone().map(shown) }
}

/// Why the member did not begin a watch: that its past is gone is told in another way.
pub(super) enum Denied {
    Compacted { oldest: u64 },
    Because(String),
}

impl From<NotWatching> for Denied {
    fn from(not_watching: NotWatching) -> Denied {
        let because = |reason: String| Denied::Because(reason);
        match not_watching {
            NotWatching::TooManyOnConnection => because(format!(
                "etcdserver: too many watches: a stream has {WATCHERS_PER_STREAM_MAX} at most"
            )),
            NotWatching::Refused(WatchRefusal::TooManyWatchers { watchers_max }) => because(
                format!("etcdserver: too many watches: this member has {watchers_max} at most"),
            ),
            NotWatching::Refused(WatchRefusal::EmptyRange) => {
                because("mvcc: watcher range is empty".to_owned())
            }
            NotWatching::Refused(WatchRefusal::Compacted { compact_revision, .. }) => {
                Denied::Compacted { oldest: compact_revision.0 }
            }
            // The whole stream ends then.
            NotWatching::Refused(WatchRefusal::Unserved(why)) => because(why.to_string()),
        }
    }
}

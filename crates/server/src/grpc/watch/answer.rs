//! What watchers are told, in etcd's words.

use proto::etcd::etcdserverpb::{ResponseHeader, WatchResponse};
use proto::etcd::mvccpb::{Event, KeyValue, event::EventType};
use replica::Batch;
use store::{EventKind, Revision};

use crate::grpc::gate::number;
use crate::grpc::keys::shown;

/// The id of a watch that never was, and of what concerns all watches of a stream.
pub(super) const NO_WATCH: i64 = -1;

/// Why a watch on keys of which there can be none is refused.
pub(super) const EMPTY_RANGE: &str = "mvcc: watcher range is empty";

/// It is there from now on.
pub(super) fn created(header: ResponseHeader, watch_id: i64) -> WatchResponse {
    WatchResponse { header: Some(header), watch_id, created: true, ..WatchResponse::default() }
}

/// It can not be, and has never been.
pub(super) fn refused(header: ResponseHeader, reason: impl Into<String>) -> WatchResponse {
    WatchResponse { canceled: true, cancel_reason: reason.into(), ..created(header, NO_WATCH) }
}

/// It can not be: whoever it is has as many as may be.
pub(super) fn too_many(header: ResponseHeader, who: &str, watches_max: usize) -> WatchResponse {
    let reason = format!("etcdserver: too many watches: {who} has {watches_max} at most");
    refused(header, reason)
}

/// It is over, because its client wanted that.
pub(super) fn canceled(header: ResponseHeader, watch_id: i64) -> WatchResponse {
    WatchResponse { header: Some(header), watch_id, canceled: true, ..WatchResponse::default() }
}

/// It is over: whoever watches may not read that any more.
pub(super) fn forbidden(header: ResponseHeader, watch_id: i64, reason: String) -> WatchResponse {
    WatchResponse { cancel_reason: reason, ..canceled(header, watch_id) }
}

/// It is over: what it is to read next is gone. The header tells no revision: none was told.
pub(super) fn compacted(header: ResponseHeader, watch_id: i64, oldest: Revision) -> WatchResponse {
    let header = ResponseHeader { revision: 0, ..header };
    WatchResponse { compact_revision: number(oldest.0), ..canceled(header, watch_id) }
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

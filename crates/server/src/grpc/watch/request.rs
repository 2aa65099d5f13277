//! What is to be watched, read into the store's words.

use proto::etcd::etcdserverpb::WatchCreateRequest;
use proto::etcd::etcdserverpb::watch_create_request::FilterType;
use replica::{EventFilter, WatchRequest};
use store::{KeyRange, Limits, Revision};

use crate::grpc::keys;

/// The first key there is: an empty one stands for it here.
const FIRST_KEY: &[u8] = &[0];

/// Why nothing can be watched like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The first revision is one that never was.
    BeforeAll,
    /// No key can be in the range.
    EmptyRange,
    /// No key is so long, and a watch keeps its bounds.
    KeyTooLarge,
}

/// A watch on a stream, with or without a leader.
pub(super) fn read(
    request: &WatchCreateRequest,
    needs_leader: bool,
) -> Result<WatchRequest, Wrong> {
    let bytes_max = Limits::default().key_bytes_max;
    if request.key.len().max(request.range_end.len()) > bytes_max {
        return Err(Wrong::KeyTooLarge);
    }
    let range = range(request)?;
    let from = match u64::try_from(request.start_revision) {
        Ok(0) => None,
        Ok(from) => Some(Revision(from)),
        Err(_) => return Err(Wrong::BeforeAll),
    };
    let leaves_out = |filter: FilterType| request.filters.contains(&filter.into());
    let filter = EventFilter {
        no_put: leaves_out(FilterType::Noput),
        no_delete: leaves_out(FilterType::Nodelete),
    };
    let (prev_kv, in_pieces) = (request.prev_kv, request.fragment);
    Ok(WatchRequest { from, filter, prev_kv, in_pieces, needs_leader, ..WatchRequest::new(range) })
}

fn range(request: &WatchCreateRequest) -> Result<KeyRange, Wrong> {
    let key = match request.key.is_empty() {
        true => FIRST_KEY.into(),
        false => request.key.clone(),
    };
    let range = keys::range(key, request.range_end.clone()).expect("the key is not empty");
    if range.is_empty() { Err(Wrong::EmptyRange) } else { Ok(range) }
}

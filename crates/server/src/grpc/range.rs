//! Ranges of the store, read where they may be: at once what is small, the rest on a thread where
//! nothing waits for it. That a range is large is not known before it is read: so it is read within
//! a budget first, and given up when that is spent.

use store::{Budget, RangeRequest, RangeResponse, Reader};

use super::gate::on_own_thread;
use super::refusal::Refusal;

/// What is read at once: a thousand small keys, about, which take some ten microseconds.
pub(crate) const AT_ONCE_UNITS: u64 = Budget::TURN_UNITS / 8;

/// The keys of a range, and how many there are.
pub(super) async fn range(reader: &Reader, asked: RangeRequest) -> Result<RangeResponse, Refusal> {
    if let Some(found) = reader.range_within(&asked, AT_ONCE_UNITS)? {
        return Ok(found);
    }
    let reader = reader.clone();
    on_own_thread(move || reader.range(&asked)).await
}

#[cfg(test)]
mod tests {
    use store::{Apply, Command, KeyRange, LogEntry, Put, Sort, SortBy, Store};

    use super::*;

    const KEYS: u64 = 10_000;

    fn store() -> Store {
        let mut store = Store::new();
        for index in 1..=KEYS {
            let command = Command::from(Put::new(format!("{index:06}"), "v")).encode();
            let entry = LogEntry { index, term: 1, stamp_ms: 1, age_ms: 1, command: Some(command) };
            let done = store.apply(&entry, &mut Budget::new(u64::MAX)).expect("it is a command");
            assert!(matches!(done, Apply::Done(_)));
        }
        store.publish();
        store
    }

    #[tokio::test]
    async fn what_is_large_is_not_read_at_once() {
        let (store, all) = (store(), || RangeRequest::new(KeyRange::all()));
        let reader = store.reader();
        let by_age = Sort { by: SortBy::CreateRevision, descending: false };
        let cases = [
            ("a key", true, RangeRequest::new(KeyRange::Single("000007".into()))),
            ("a hundred keys", true, RangeRequest::new(KeyRange::Prefix("0001".into()))),
            ("all keys", false, all()),
            ("the oldest key", false, RangeRequest { sort: by_age, limit: Some(1), ..all() }),
            ("the past", false, RangeRequest { at: Some(store::Revision(99)), ..all() }),
        ];
        for (name, at_once, asked) in cases {
            let within = reader.range_within(&asked, AT_ONCE_UNITS).unwrap();
            assert_eq!(within.is_some(), at_once, "{name}");
            let found = range(&reader, asked.clone()).await.unwrap();
            assert_eq!(found, reader.range(&asked).unwrap(), "{name}");
        }
    }
}

//! A store that is watched: writes, publications and dispatches happen when the test says so.

use std::sync::Arc;

use bytes::Bytes;
use replica::{Batch, Dispatcher, Step, WatchEnd, WatchRequest, Watcher};
use store::{
    Apply, Budget, Command, CompactionCause, EventKind, KeyRange, LogEntry, Outcome, Put, Reader,
    Revision, Store, Txn, TxnOp,
};

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) reader: Reader,
    index: u64,
}

impl World {
    pub(crate) fn new() -> World {
        let store = Store::new();
        let reader = store.reader();
        World { dispatcher: Dispatcher::new(reader.clone()), reader, store, index: 0 }
    }

    /// Applies a command without publishing it.
    pub(crate) fn apply(&mut self, command: &Command) -> Outcome {
        self.index += 1;
        let entry = LogEntry {
            index: self.index,
            term: 1,
            stamp_ms: 1_000 + self.index,
            age_ms: self.index,
            command: Some(command.encode()),
        };
        match self.store.apply(&entry, &mut Budget::new(u64::MAX)) {
            Ok(Apply::Done(outcome)) => outcome,
            other => panic!("{command:?} came to {other:?}"),
        }
    }

    /// Applies and publishes, and has everything dispatched.
    pub(crate) fn write(&mut self, command: &Command) -> Outcome {
        let outcome = self.apply(command);
        self.store.publish();
        self.dispatch();
        outcome
    }

    pub(crate) fn put(&mut self, key: &str, value: &str) {
        self.write(&put(key, value));
    }

    pub(crate) fn dispatch(&self) {
        while self.dispatcher.dispatch() {}
    }

    /// Compacts, and removes what that gave up.
    pub(crate) fn compact(&mut self, revision: u64) {
        self.write(&Command::Compact {
            revision: Revision(revision),
            cause: CompactionCause::Asked,
        });
        while !self.store.sweep(&mut Budget::new(u64::MAX)) {}
    }

    pub(crate) fn watch(&self, range: KeyRange) -> Watcher {
        self.watch_as(&WatchRequest::new(range))
    }

    pub(crate) fn watch_from(&self, range: KeyRange, from: u64) -> Watcher {
        let from = Some(Revision(from));
        self.watch_as(&WatchRequest { from, ..WatchRequest::new(range) })
    }

    pub(crate) fn watch_as(&self, request: &WatchRequest) -> Watcher {
        self.dispatcher.watch(request).unwrap()
    }
}

pub(crate) fn put(key: &str, value: &str) -> Command {
    Put::new(key.to_owned(), value.to_owned()).into()
}

pub(crate) fn delete(range: KeyRange) -> Command {
    Command::Delete { range, prev_kv: false, condition: None }
}

/// One transaction that puts all of these.
pub(crate) fn put_all(items: impl IntoIterator<Item = (String, String)>) -> Command {
    let put = |(key, value): (String, String)| TxnOp::Put(Put::new(key, value));
    let then = items.into_iter().map(put).collect();
    Command::Txn(Txn { compares: Vec::new(), success: then, failure: Vec::new() })
}

/// Everything that there is to tell for now.
pub(crate) fn told(watcher: &mut Watcher) -> Result<Vec<Batch>, WatchEnd> {
    let mut batches = Vec::new();
    loop {
        match watcher.step(None)? {
            Step::Batch(batch) => batches.push(batch),
            Step::Busy => {}
            Step::Idle => return Ok(batches),
        }
    }
}

/// A batch in words: `5: a=1 b-`; a value that was there before follows in brackets.
pub(crate) fn words(batches: &[Batch]) -> Vec<String> {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let one = |batch: &Batch| {
        let events = batch.events.iter().map(|event| {
            let prev = event.prev.as_ref().map(|prev| format!("[{}]", text(&prev.value)));
            let what = match &event.kind {
                EventKind::Put(live) => format!("{}={}", text(&live.key), text(&live.value)),
                EventKind::Delete { key } => format!("{}-", text(key)),
            };
            what + &prev.unwrap_or_default()
        });
        let more = if batch.goes_on { " …" } else { "" };
        format!("{}: {}{more}", batch.revision, events.collect::<Vec<_>>().join(" "))
    };
    batches.iter().map(one).collect()
}

/// What is told now, in words.
#[track_caller]
pub(crate) fn hears(watcher: &mut Watcher) -> Vec<String> {
    words(&told(watcher).unwrap())
}

pub(crate) fn prefix(prefix: &str) -> KeyRange {
    KeyRange::Prefix(Bytes::from(prefix.to_owned()))
}

pub(crate) fn single(key: &str) -> KeyRange {
    KeyRange::Single(Bytes::from(key.to_owned()))
}

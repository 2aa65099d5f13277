//! Keys: told once, when the first member shows what became of them.

use raft::MemberId;
use store::{Event, EventKind, EventPosition, EventsRequest, KeyRange, Revision};

use crate::life::Life;
use crate::trace::Fields;

/// Of what a member shows at once, so many changes of keys are told, at most.
const TOLD_MAX: usize = 64;
/// The bytes of a key that are told, at most.
const KEY_BYTES_MAX: usize = 256;

impl Life {
    /// A member shows more than before.
    pub(super) fn tell_keys(&mut self, id: MemberId) {
        let Some(process) = &self.members[&id].process else { return };
        let reader = process.replica.reader();
        let (newest, told) = (reader.published().revision, self.telling.revision);
        if newest <= told {
            return;
        }
        self.telling.revision = newest;
        let from = Revision(told.0.max(Revision::FIRST.0) + 1);
        let request = EventsRequest {
            from: EventPosition::from(from),
            range: KeyRange::all(),
            prev_kv: false,
            events_max: TOLD_MAX,
            told_bytes_max: usize::MAX,
        };
        // What is compacted already is not told.
        let Ok(events) = reader.events(&request) else { return };
        for event in events.events {
            self.trace.event(self.queue.now(), "key", |line| write_event(line, id, &event));
        }
    }
}

fn write_event(line: &mut Fields<'_>, id: MemberId, event: &Event) {
    line.id("member", id);
    let (op, key, bytes, version) = match &event.kind {
        EventKind::Put(kv) => ("put", &kv.key, kv.value.len(), kv.version),
        EventKind::Delete { key } => ("delete", key, 0, 0),
    };
    let shown = &key[..key.len().min(KEY_BYTES_MAX)];
    line.text("op", op).text("key", &String::from_utf8_lossy(shown));
    line.number("revision", event.revision.0).number("bytes", bytes as u64);
    line.number("version", version);
}

//! Events on their way to readers: encoded once, for all of them.

use std::sync::OnceLock;

use bytes::Bytes;

use super::event::Event;
use super::keys::KeyEvent;
use super::line::SCHEMA;

/// So many events an envelope has at most; what happens often is left out first.
pub(crate) const ENVELOPE_EVENTS_MAX: usize = 512;

/// Events of a while, in their order.
#[derive(Debug)]
pub(super) struct Envelope {
    /// So many events there were before, told or left out.
    pub(super) number: u64,
    /// So many are not here that belong here.
    pub(super) left_out: u64,
    parts: Vec<Part>,
    /// As all are told who may see all of it, and have lost nothing.
    whole: OnceLock<Bytes>,
}

#[derive(Debug)]
struct Part {
    text: String,
    /// Of which key it tells.
    key: Option<Bytes>,
}

/// One event that is to be told.
pub(super) struct Told {
    t_us: u64,
    is_rare: bool,
    part: Part,
}

impl Told {
    /// Of a member.
    pub(super) fn of(event: &Event) -> Told {
        let text = serde_json::to_string(event).expect("our shapes are plain values");
        Told { t_us: event.t_us, is_rare: event.is_rare(), part: Part { text, key: None } }
    }

    /// Of a key.
    pub(super) fn of_key(KeyEvent { key, t_us, text }: KeyEvent) -> Told {
        Told { t_us, is_rare: false, part: Part { text, key: Some(key) } }
    }

    /// How the cluster stands.
    pub(super) fn of_state(t_us: u64, text: String) -> Told {
        Told { t_us, is_rare: true, part: Part { text, key: None } }
    }
}

impl Envelope {
    /// Puts events in their order, and leaves out what is too much.
    pub(super) fn new(number: u64, mut told: Vec<Told>, lost: u64) -> Envelope {
        told.sort_by_key(|told| told.t_us);
        let too_many = told.len().saturating_sub(ENVELOPE_EVENTS_MAX);
        let mut to_leave_out = too_many;
        told.retain(|told| {
            let stays = told.is_rare || to_leave_out == 0;
            to_leave_out -= usize::from(!stays);
            stays
        });
        told.truncate(ENVELOPE_EVENTS_MAX);
        let left_out = lost.saturating_add(too_many as u64);
        let parts = told.into_iter().map(|told| told.part).collect();
        Envelope { number, left_out, parts, whole: OnceLock::new() }
    }

    /// The number of the first event of the next one.
    pub(super) fn next(&self) -> u64 {
        self.number.saturating_add(self.parts.len() as u64).saturating_add(self.left_out)
    }

    /// As it is told to somebody who may see these keys, and has lost so many events before it;
    /// none if there is nothing to tell.
    pub(super) fn text(
        &self,
        lost: u64,
        may_see: Option<&dyn Fn(&Bytes) -> bool>,
    ) -> Option<Bytes> {
        let lost = lost.saturating_add(self.left_out);
        let Some(may_see) = may_see else {
            return match lost == self.left_out {
                true if self.parts.is_empty() && lost == 0 => None,
                true => Some(self.whole.get_or_init(|| self.written(lost, |_| true)).clone()),
                false => Some(self.written(lost, |_| true)),
            };
        };
        let shows = |part: &Part| part.key.as_ref().is_none_or(may_see);
        let is_empty = lost == 0 && !self.parts.iter().any(shows);
        (!is_empty).then(|| self.written(lost, shows))
    }

    fn written(&self, lost: u64, shows: impl Fn(&Part) -> bool) -> Bytes {
        let texts = self.parts.iter().filter(|part| shows(part)).map(|part| part.text.as_str());
        written(lost, texts)
    }
}

/// An envelope of these events.
pub(super) fn written<'a>(lost: u64, events: impl Iterator<Item = &'a str>) -> Bytes {
    let mut text = format!("{{\"schema\":{SCHEMA},\"lost\":{lost},\"events\":[");
    for (place, event) in events.enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(event);
    }
    text.push_str("]}");
    text.into()
}

#[cfg(test)]
mod tests {
    use raft::MemberId;
    use serde_json::Value;

    use super::*;
    use crate::events::event::What;

    fn often(t_us: u64) -> Told {
        Told::of(&Event::new(t_us, MemberId(1), What::Committed { index: t_us }))
    }

    fn key(t_us: u64, key: &'static str) -> Told {
        let text = format!(r#"{{"kind":"key","t_us":{t_us},"key":"{key}"}}"#);
        Told::of_key(KeyEvent { key: Bytes::from(key), t_us, text })
    }

    fn read(text: &Bytes) -> Value {
        serde_json::from_slice(text).unwrap()
    }

    #[test]
    fn events_are_in_the_order_of_their_times() {
        let envelope = Envelope::new(0, vec![often(3), key(1, "k"), often(2)], 0);
        let told = read(&envelope.text(0, None).unwrap());
        let times: Vec<u64> = told["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["t_us"].as_u64().unwrap())
            .collect();
        assert_eq!((times, &told["schema"], &told["lost"]), (vec![1, 2, 3], &1.into(), &0.into()));
        assert_eq!(envelope.next(), 3);
    }

    #[test]
    fn keys_are_told_to_whoever_may_see_them() {
        let envelope = Envelope::new(0, vec![key(1, "mine"), key(2, "other")], 0);
        let mine = |key: &Bytes| key == "mine";
        let told = read(&envelope.text(0, Some(&mine)).unwrap());
        assert_eq!(told["events"].as_array().unwrap().len(), 1);
        assert_eq!(told["events"][0]["key"], "mine");
        assert!(envelope.text(0, Some(&|_: &Bytes| false)).is_none());
    }

    #[test]
    fn what_is_too_much_is_left_out_and_counted_but_nothing_that_is_rare() {
        let mut told: Vec<Told> = (0..600).map(often).collect();
        told.push(Told::of(&Event::new(0, MemberId(1), What::Ended)));
        let envelope = Envelope::new(7, told, 5);
        let shown = read(&envelope.text(3, None).unwrap());
        assert_eq!(shown["events"].as_array().unwrap().len(), ENVELOPE_EVENTS_MAX);
        assert!(shown["events"].as_array().unwrap().iter().any(|event| event["kind"] == "ended"));
        assert_eq!(shown["lost"], 601 - ENVELOPE_EVENTS_MAX + 5 + 3);
        assert_eq!(envelope.next(), 7 + 601 + 5);
    }

    #[test]
    fn nothing_is_no_envelope() {
        assert!(Envelope::new(0, vec![], 0).text(0, None).is_none());
        assert_eq!(read(&Envelope::new(0, vec![], 0).text(2, None).unwrap())["lost"], 2);
    }
}

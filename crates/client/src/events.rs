//! What happens inside of the cluster, as one member tells it of all of them (docs/events.md).
//!
//! Events are for eyes: nothing is told again, and a reader that is slow loses some. Whatever is
//! exact is a [`crate::Watch`].

mod kind;
mod state;

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

pub use self::kind::{Event, Happened, Hello, KeyChange, MessageSent};
pub use self::state::{ClusterState, ElectionWait, LogState, MemberState, Rates};
use crate::client::Client;
use crate::source::{Limits, Source};
use crate::sse::Message;
use crate::{Endpoint, Error};

/// What this client reads.
const SCHEMA: u64 = 1;
/// The state is told four times a second. An envelope has at most 512 events, each with at most 256
/// bytes of a key, which JSON may make six times as long.
const LIMITS: Limits = Limits { silence_max: Duration::from_secs(5), message_bytes_max: 2 << 20 };

/// A stream of events that outlives the member it comes from.
#[derive(Debug)]
pub struct Events {
    source: Source,
    /// Opened, and not told yet.
    is_new: bool,
}

/// What comes out of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// This member is listened to from now on.
    From(Endpoint),
    /// It told this.
    Envelope(Envelope),
    /// It tells no more; another member is looked for.
    Lost {
        /// Which one.
        endpoint: Endpoint,
        /// What became of it.
        reason: String,
    },
}

/// Events that came together.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// So many events were left out since the one before.
    pub lost: u64,
    /// As far as this client knows their kind; at most as many as a member tells at once.
    pub events: Vec<Event>,
}

impl Events {
    pub(crate) fn new(client: Client) -> Events {
        Events { source: Source::new(client, LIMITS), is_new: false }
    }

    /// Waits for news. A member that does not serve is no error: another one does. May be dropped
    /// at any time.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownSchema`] if the member is of a version that tells events in another way.
    /// [`Error::Unavailable`] if no member has served for [`crate::Options::timeout`]; the next
    /// call tries again. Others mean that no member will serve what was asked.
    pub async fn next(&mut self) -> Result<Heard, Error> {
        while !self.source.is_open() {
            self.source.open("/events".to_owned()).await?;
            self.is_new = self.source.is_open();
        }
        if std::mem::take(&mut self.is_new) {
            return Ok(Heard::From(self.source.endpoint().clone()));
        }
        let endpoint = self.source.endpoint().clone();
        match self.source.next().await {
            Ok(message) if message.event == "error" => {
                let reason = self.source.ended(message).await?;
                Ok(Heard::Lost { endpoint, reason })
            }
            Ok(message) => self.take(endpoint, &message).await,
            Err(reason) => self.lost(endpoint, reason).await,
        }
    }

    async fn take(&mut self, endpoint: Endpoint, message: &Message) -> Result<Heard, Error> {
        match read(&message.data) {
            Ok(envelope) => {
                self.source.told();
                self.learn(&envelope);
                Ok(Heard::Envelope(envelope))
            }
            Err(Strange::Schema(schema)) => {
                self.source.close();
                Err(Error::UnknownSchema { endpoint, schema })
            }
            Err(Strange::No(reason)) => self.lost(endpoint, reason).await,
        }
    }

    async fn lost(&mut self, endpoint: Endpoint, reason: String) -> Result<Heard, Error> {
        let reason = self.source.broke(reason).await?;
        Ok(Heard::Lost { endpoint, reason })
    }

    /// Whoever is in the cluster may be asked when this member is gone.
    fn learn(&self, envelope: &Envelope) {
        let mut states = envelope.events.iter().rev().filter_map(|event| match &event.happened {
            Happened::State(state) => Some(state),
            _ => None,
        });
        if let Some(state) = states.next() {
            let urls = state.members.iter().map(|member| member.url.as_str());
            self.source.client().learn(urls.filter_map(|url| url.parse().ok()));
        }
    }
}

/// Why a message is no envelope.
enum Strange {
    Schema(u64),
    No(String),
}

fn read(data: &str) -> Result<Envelope, Strange> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u64,
    }
    #[derive(Deserialize)]
    struct Encoded {
        #[serde(default)]
        lost: u64,
        events: Vec<Value>,
    }
    let strange = |error: serde_json::Error| Strange::No(format!("it told no events: {error}"));
    let Schema { schema } = serde_json::from_str(data).map_err(strange)?;
    if schema != SCHEMA {
        return Err(Strange::Schema(schema));
    }
    let Encoded { lost, events } = serde_json::from_str(data).map_err(strange)?;
    let known = events.into_iter().filter_map(|event| serde_json::from_value::<Event>(event).ok());
    let events = known.filter(|event| event.happened != Happened::Unknown).collect();
    Ok(Envelope { lost, events })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happened(events: &str) -> Vec<Happened> {
        let Ok(envelope) = read(&format!(r#"{{"schema":1,"lost":3,"events":[{events}]}}"#)) else {
            panic!("no envelope: {events}")
        };
        assert_eq!(envelope.lost, 3);
        envelope.events.into_iter().map(|event| event.happened).collect()
    }

    #[test]
    fn kinds_and_fields_of_a_later_version_are_passed_over() {
        let known = r#"{"kind":"committed","t_us":7,"member":"3f","index":9,"more":{"a":[]}}"#;
        let other = r#"{"kind":"weather","t_us":7,"member":"3f","index":9}"#;
        let found = happened(&format!("{other},{known}"));
        assert_eq!(found, [Happened::Committed { index: 9 }]);
    }

    #[test]
    fn what_is_no_event_does_not_hide_the_others() {
        let known = r#"{"kind":"started","t_us":7,"member":"3f"}"#;
        for strange in [
            "7",
            "null",
            r#""x""#,
            "[[]]",
            "{}",
            r#"{"kind":"committed","t_us":-1,"member":"3f","index":9}"#,
            r#"{"kind":"state","t_us":1,"member":"3f","members":{}}"#,
        ] {
            assert_eq!(happened(&format!("{strange},{known}")), [Happened::Started], "{strange}");
        }
    }

    #[test]
    fn another_schema_is_told_apart_from_what_is_none() {
        assert!(matches!(read(r#"{"schema":2,"all":"new"}"#), Err(Strange::Schema(2))));
        for text in ["", "<html>", "[]", "{}", r#"{"schema":1}"#, r#"{"schema":"1","events":[]}"#] {
            assert!(matches!(read(text), Err(Strange::No(_))), "{text}");
        }
        let deep = format!(r#"{{"schema":1,"events":[{}"#, "[".repeat(100_000));
        assert!(matches!(read(&deep), Err(Strange::No(_))));
    }

    #[test]
    fn an_event_that_stands_for_several_says_so() {
        let text = r#"{"schema":1,"events":[
            {"kind":"applied","t_us":7,"member":"a","index":9,"revision":4,"count":12},
            {"kind":"ended","t_us":8,"member":"a"}]}"#;
        let Ok(Envelope { lost, events }) = read(text) else { panic!("no envelope") };
        let counts: Vec<u64> = events.iter().map(|event| event.count).collect();
        assert_eq!((lost, &counts[..]), (0, &[12, 1][..]));
    }
}

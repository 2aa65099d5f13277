//! One frame's content, as text or JSON, for scripts.

use std::io::Write;
use std::time::Duration;

use client::{Client, ClusterState, Event, MemberState};
use ratatui::layout::Rect;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::draw::{KEYS, plain};
use super::feed::Feed;
use super::health::diagnosis;
use super::model::{Filter, Link, Model};
use super::view::View;
use super::words::sentence;
use crate::args::{ConnectArgs, Format};
use crate::diagnosis::Health;
use crate::failure::Failure;
use crate::render::json_line;

/// Rates are those of a second, and members count only while somebody looks.
const LISTEN: Duration = Duration::from_millis(1_250);
/// So long it is waited for members that are not heard yet.
const LISTEN_MAX: Duration = Duration::from_secs(3);
/// Room for all columns and for some events.
const WIDTH: u16 = 120;
const EVENT_LINES: u16 = 10;
const LINES_MAX: u16 = 400;
/// Title, health, headings, sparklines, gaps and keys.
const OTHER_LINES: u16 = 18;

/// Listens for a moment, prints, and ends.
pub(super) async fn run(
    client: &Client,
    args: &ConnectArgs,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut view = View::new();
    listen(client, &mut view, args.timeout).await?;
    match args.output {
        Some(Format::Json) => json_line(&Seen::of(view.shown()), out)?,
        None | Some(Format::Plain | Format::Table) => out.write_all(text(&view).as_bytes())?,
    }
    Ok(())
}

/// Until what was heard is worth a frame. The first state has to come in the time of a call.
async fn listen(client: &Client, view: &mut View, timeout: Duration) -> Result<(), Failure> {
    let mut feed = Feed::start(client.events());
    let mut until = Instant::now() + timeout;
    let mut told_at = None;
    while let Ok(Some(heard)) = timeout_at(until, feed.next()).await {
        view.hear(heard?);
        if view.shown().state.is_some() {
            until = deadline(*told_at.get_or_insert_with(Instant::now), view.shown());
        }
    }
    if view.shown().state.is_none() {
        let message = format!("no member told within {timeout:?} how the cluster is");
        return Err(Failure::Unavailable(message));
    }
    Ok(())
}

fn deadline(began: Instant, model: &Model) -> Instant {
    let all_are_heard = model.members().iter().all(MemberState::is_reached);
    began + if all_are_heard { LISTEN } else { LISTEN_MAX }
}

/// Without the line of keys, which nobody can press.
fn text(view: &View) -> String {
    let members = u16::try_from(view.shown().members().len()).unwrap_or(u16::MAX);
    let height = members.saturating_mul(2).saturating_add(OTHER_LINES + EVENT_LINES);
    let frame = plain(view, Rect::new(0, 0, WIDTH, height.min(LINES_MAX)));
    let frame = frame.trim_end();
    frame.strip_suffix(KEYS).unwrap_or(frame).trim_end().to_owned() + "\n"
}

/// What is printed as JSON; states and events are those of docs/events.md.
#[derive(Serialize)]
struct Seen<'a> {
    health: Health,
    words: Vec<String>,
    /// Who told this: `host:port`.
    from: Option<&'a str>,
    lost: u64,
    leader: &'a Option<String>,
    term: u64,
    joint: bool,
    members: Vec<SeenMember<'a>>,
    /// The rare ones, newest first.
    events: Vec<SeenEvent<'a>>,
}

#[derive(Serialize)]
struct SeenMember<'a> {
    #[serde(flatten)]
    member: &'a MemberState,
    reached: bool,
    lag: Option<u64>,
}

#[derive(Serialize)]
struct SeenEvent<'a> {
    #[serde(flatten)]
    event: &'a Event,
    words: String,
}

impl Seen<'_> {
    fn of(model: &Model) -> Seen<'_> {
        static NOBODY: Option<String> = None;
        let diagnosis = diagnosis(model.state.as_ref().unwrap_or(&ClusterState::default()));
        let state = model.state.as_ref();
        let of_member =
            |member| SeenMember { member, reached: member.is_reached(), lag: model.lag(member) };
        let words = |event| sentence(event, |id| model.name(id));
        let of_event = |event| SeenEvent { event, words: words(event) };
        let events = model.events(Filter::Rare).iter().map(|event| of_event(event.as_ref()));
        Seen {
            health: diagnosis.health,
            words: diagnosis.sentences,
            from: match &model.link {
                Link::From(address) => Some(address),
                Link::Looking(_) => None,
            },
            lost: model.lost,
            leader: state.map_or(&NOBODY, |state| &state.leader),
            term: state.map_or(0, |state| state.term),
            joint: state.is_some_and(|state| state.joint),
            members: model.members().iter().map(of_member).collect(),
            events: events.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use client::Happened;

    use super::*;
    use crate::top::tests::{cluster, envelope, event};

    fn view() -> View {
        let mut view = View::new();
        let happened = [Happened::State(cluster()), Happened::Started];
        view.hear(envelope(happened.map(|happened| event(7, happened)).into()));
        view
    }

    #[test]
    fn the_text_ends_with_the_last_event() {
        let text = text(&view());
        assert!(text.starts_with("raftkv top: "), "{text}");
        assert!(text.ends_with("UTC\n00:00:00.000 • node-2 has started\n"), "{text}");
    }

    #[test]
    fn the_json_has_members_as_they_are_told_and_events_with_words() {
        let view = view();
        let json = serde_json::to_value(Seen::of(view.shown())).unwrap();
        assert_eq!((&json["health"], &json["leader"]), (&"healthy".into(), &"1".into()));
        let follower = &json["members"][1];
        assert_eq!((&follower["lag"], &follower["reached"]), (&0.into(), &true.into()));
        assert_eq!(follower["log"]["last_index"], 42);
        assert_eq!(json["events"][0]["kind"], "started");
        assert_eq!(json["events"][0]["words"], "node-2 has started");
    }
}

//! A cluster to draw, and frames of it as they are seen.

use client::{
    ClusterState, ElectionWait, Endpoint, Envelope, Event, Happened, Heard, Hello, LogState,
    MemberState, Rates,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::draw::{draw, plain};
use super::keys::Action;
use super::model::Model;
use super::theme::Theme;
use super::view::View;

/// A member that is well; number 1 leads in term 7.
pub(super) fn member(number: u64) -> MemberState {
    let leads = number == 1;
    let log =
        LogState { start: 0, applied: 40, commit: 41, durable: 40, last_index: 42, last_term: 7 };
    MemberState {
        id: number.to_string(),
        name: format!("node-{number}"),
        url: format!("http://localhost:{}", 8_000 + number),
        standing: "voter".to_owned(),
        heard_ms: Some(20),
        role: Some(if leads { "leader" } else { "follower" }.to_owned()),
        term: Some(7),
        log: Some(log),
        election: (!leads).then_some(ElectionWait { elapsed_ms: 590, timeout_ms: 1_200 }),
        matched: Some(42),
        rates: Some(Rates {
            writes: 100 * number,
            reads: 5,
            p50_us: Some(512),
            p99_us: Some(4_096),
        }),
        ..MemberState::default()
    }
}

/// One that was heard of twelve seconds ago.
pub(super) fn away(number: u64) -> MemberState {
    MemberState { heard_ms: Some(12_000), ..member(number) }
}

pub(super) fn cluster() -> ClusterState {
    let members = (1..=3).map(member).collect();
    ClusterState { members, leader: Some("1".to_owned()), term: 7, joint: false }
}

pub(super) fn event(t_us: u64, happened: Happened) -> Event {
    Event { happened, t_us, member: "2".to_owned(), count: 1 }
}

pub(super) fn envelope(events: Vec<Event>) -> Heard {
    Heard::Envelope(Envelope { lost: 0, events })
}

pub(super) fn hear_state(model: &mut Model, state: ClusterState) {
    model.hear(envelope(vec![event(1_000_000, Happened::State(state))]));
}

/// 12:03:04.5 of some day.
const NOON_US: u64 = (12 * 3_600 + 3 * 60 + 4) * 1_000_000 + 500_000;

fn vote(term: u64) -> Happened {
    Happened::Vote { candidate: "3".to_owned(), term, pre: false, granted: true }
}

fn view_of(state: ClusterState) -> View {
    let mut view = View::new();
    let endpoint: Endpoint = "localhost:8001".parse().unwrap();
    view.hear(Heard::From(endpoint));
    let hello =
        Hello { name: "node-1".to_owned(), version: "0.1.0".to_owned(), ..Hello::default() };
    view.hear(envelope(vec![
        event(NOON_US, Happened::Hello(hello)),
        event(NOON_US, Happened::State(state)),
        event(NOON_US, vote(7)),
        event(NOON_US + 1_000, Happened::Committed { index: 41 }),
    ]));
    view
}

fn frame(view: &View, width: u16, height: u16) -> String {
    plain(view, Rect::new(0, 0, width, height))
}

#[test]
fn a_usual_terminal_shows_all_that_matters() {
    let state = ClusterState { members: vec![member(1), member(2), away(3)], ..cluster() };
    assert_eq!(
        frame(&view_of(state), 80, 24),
        "\
raftkv top: node-1 (localhost:8001) tells, version 0.1.0
degraded: 2 of 3 members work, node-1 leads in term 7; the next failure stops
  reads and writes
node-3 (localhost:8003) does not answer: not heard of for 12 s

MEMBER   ROLE      TERM LAST COMMIT APPLIED LAG WRITES READS   P99 ELECTION
♛ node-1 leader       7   42     41      40   0    100     5 4.0ms
  node-2 follower     7   42     41      40   0    200     5 4.0ms    610ms
  node-3 away 12 s    7   42     41      40   2      -     -     -

writes/s       300                                                             █
node-1         100                                                             █
node-2         200                                                             █
node-3           0

EVENTS: rare, newest first, UTC
12:03:04.500 • node-2 votes for node-3 in term 7






q quit  p pause  f filter  ↑↓ scroll  ? help
"
    );
}

#[test]
fn a_small_terminal_shows_who_leads_and_the_newest_event() {
    assert_eq!(
        frame(&view_of(cluster()), 40, 10),
        "\
raftkv top: node-1 (localhost:8001) tel…
healthy: 3 of 3 members work, node-1 …
MEMBER   ROLE     TERM COMMIT LAG WRITES
♛ node-1 leader      7     41   0    100
  node-2 follower    7     41   0    200
  node-3 follower    7     41   0    300
EVENTS: rare, newest first, UTC
12:03:04.500 • node-2 votes for node-3 …

q quit  p pause  f filter  ↑↓ scroll  ?…
"
    );
}

#[test]
fn more_room_has_all_columns() {
    let frame = frame(&view_of(cluster()), 120, 40);
    for heading in ["LAST", "COMMIT", "APPLIED", "LAG", "WRITES", "READS", "P50", "P99", "▓▓░░░"]
    {
        assert!(frame.contains(heading), "{heading}: {frame}");
    }
}

#[test]
fn no_size_is_too_small_or_too_large() {
    let many = ClusterState { members: (1..=31).map(member).collect(), ..cluster() };
    for state in [cluster(), many, ClusterState::default()] {
        let mut view = view_of(state);
        for (width, height) in [(0, 0), (1, 1), (2, 3), (40, 10), (10, 60), (500, 4), (300, 100)] {
            let drawn = frame(&view, width, height);
            assert_eq!(drawn.lines().count(), usize::from(height));
            view.act(Action::Help);
            frame(&view, width, height);
            view.act(Action::Help);
        }
    }
}

#[test]
fn before_anything_is_known_that_is_said() {
    let frame = frame(&View::new(), 80, 24);
    assert!(frame.contains("nobody tells (no member has answered yet), trying again"), "{frame}");
    assert!(frame.contains("nothing is known of the cluster yet"), "{frame}");
}

#[test]
fn what_is_lost_left_out_paused_and_passed_over_is_said() {
    let mut view = view_of(cluster());
    let many = (0..9).map(|term| event(NOON_US, vote(term))).collect();
    view.hear(Heard::Envelope(Envelope { lost: 12, events: many }));
    let endpoint: Endpoint = "localhost:8001".parse().unwrap();
    view.hear(Heard::Lost { endpoint, reason: "it ended\nthe stream".to_owned() });
    view.act(Action::Older(2));
    view.act(Action::Pause);
    let frame = frame(&view, 100, 24);
    for words in [
        "nobody tells (http://localhost:8001: it ended the stream), trying again",
        "PAUSED",
        "EVENTS: rare, newest first, UTC, after 2 newer, 12 left out",
    ] {
        assert!(frame.contains(words), "{words}: {frame}");
    }
}

/// The cells of a frame, as a terminal would have them.
fn terminal(view: &View, theme: Theme) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| draw(view, theme, frame.area(), frame.buffer_mut())).unwrap();
    terminal
}

/// Where a member's line is.
fn line_of(terminal: &Terminal<TestBackend>, name: &str) -> u16 {
    let buffer = terminal.backend().buffer();
    let symbols = |y| (0..12).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (5..24).find(|y| symbols(*y).contains(name)).expect("it is drawn")
}

fn view_with_one_away() -> View {
    view_of(ClusterState { members: vec![member(1), member(2), away(3)], ..cluster() })
}

#[test]
fn a_member_that_is_not_reached_is_dim_and_the_leader_is_bold() {
    let terminal = terminal(&view_with_one_away(), Theme::COLOURED);
    let style = |name| terminal.backend().buffer()[(2, line_of(&terminal, name))].style();
    assert!(style("node-3").add_modifier.contains(Modifier::DIM));
    assert!(!style("node-2").add_modifier.contains(Modifier::DIM));
    assert_eq!(style("node-1").fg, Some(Color::Green));
}

#[test]
fn members_stand_in_the_order_of_their_names_and_a_deposed_leader_has_no_crown() {
    let deposed = MemberState { role: Some("leader".to_owned()), term: Some(6), ..member(3) };
    let state = ClusterState { members: vec![deposed, member(2), member(1)], ..cluster() };
    let frame = frame(&view_of(state), 80, 24);
    let lines: Vec<&str> = frame.lines().filter(|line| line.contains("node-")).collect();
    let begins: Vec<String> =
        lines[2..5].iter().map(|line| line.chars().take(15).collect()).collect();
    assert_eq!(begins, ["♛ node-1 leader", "  node-2 follow", "  node-3 leader"]);
}

#[test]
fn without_colours_there_are_none_and_the_words_are_the_same() {
    let view = view_with_one_away();
    let [plain, coloured] = [Theme::PLAIN, Theme::COLOURED].map(|theme| terminal(&view, theme));
    let cells = |terminal: &Terminal<TestBackend>| terminal.backend().buffer().content.clone();
    assert!(cells(&plain).iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(cells(&coloured).iter().any(|cell| cell.fg != Color::Reset));
    let words = |terminal| cells(terminal).iter().map(Cell::symbol).collect::<String>();
    assert_eq!(words(&plain), words(&coloured));
}

#[test]
fn names_that_speak_to_the_terminal_reach_it_escaped() {
    let hostile = MemberState { name: "\u{1b}[2J\u{7}x".to_owned(), ..member(2) };
    let state = ClusterState { members: vec![member(1), hostile], ..cluster() };
    let frame = frame(&view_of(state), 120, 24);
    assert!(frame.contains("\\u{1b}[2J"), "{frame}");
    assert!(!frame.chars().any(|character| character.is_control() && character != '\n'));
}

//! A frame: what is seen of a view in an area of cells. Pure.

use client::{Event, MemberState};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Sparkline, Widget as _};

use super::health::diagnosis;
use super::model::{Link, Model};
use super::plan::Plan;
use super::table::{Table, width};
use super::theme::Theme;
use super::view::View;
use super::words::sentence;
use crate::diagnosis::Health;
use crate::text;

/// The last line.
pub(super) const KEYS: &str = "q quit  p pause  f filter  ↑↓ scroll  ? help";

const HELP: &[&str] = &[
    "q, Esc, Ctrl-C  quit",
    "p, space        pause, and go on",
    "f               filter events: all, rare, keys, messages",
    "↑ ↓ PgUp PgDn   scroll through the events, Home: newest",
    "",
    "♛         the leader",
    "LAST      the last entry of its log",
    "COMMIT    all up to here is on a majority of disks",
    "APPLIED   its store shows all up to here",
    "LAG       entries of the leader that are not on its disk",
    "WRITES    that it answered in the last second; READS likewise",
    "P50, P99  how long writes took in the last second",
    "ELECTION  how long until it campaigns, without a leader",
    "•         a rare event: roles, votes, members, links",
    "",
    "Any key goes back.",
];

/// Before the numbers of a sparkline.
const LABEL_CELLS: u16 = 10;
/// The numbers themselves.
const VALUE_CELLS: u16 = 8;

/// Draws the whole frame.
pub(super) fn draw(view: &View, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let mut pen = Pen { area, y: area.y, buffer };
    title(view, theme, &mut pen);
    if view.help {
        HELP.iter().for_each(|line| pen.line(line, Style::new()));
        return;
    }
    let model = view.shown();
    let (health, words) = health(model, usize::from(area.width));
    let plan = Plan::of(area.height, model.members().len(), words.len());
    for (line, more) in words.iter().zip((0..plan.health).rev()) {
        let is_cut = more == 0 && words.len() > usize::from(plan.health);
        let end = if is_cut { " …" } else { "" };
        pen.line(&format!("{line}{end}"), theme.health(health));
    }
    pen.skip(plan.gap);
    table(model, theme, usize::from(plan.members), &mut pen);
    pen.skip(plan.gap);
    sparks(model, theme, usize::from(plan.sparks), &mut pen);
    pen.skip(plan.gap);
    events(view, theme, usize::from(plan.events), &mut pen);
    pen.y = area.bottom().saturating_sub(1).max(pen.y);
    pen.line(KEYS, theme.quiet());
}

/// A place in the frame, from line to line.
struct Pen<'a> {
    area: Rect,
    y: u16,
    buffer: &'a mut Buffer,
}

impl Pen<'_> {
    fn line(&mut self, words: &str, style: Style) {
        self.text(0, words, style);
        self.skip(1);
    }

    /// At a column of this line, as far as there is room.
    fn text(&mut self, x: u16, words: &str, style: Style) {
        if self.y < self.area.bottom() && x < self.area.width {
            let room = usize::from(self.area.width - x);
            let (x, y) = (self.area.x + x, self.y);
            self.buffer.set_stringn(x, y, words, room, style);
            if usize::from(width(words.to_owned())) > room {
                // What does not fit shows that it does not.
                self.buffer.set_stringn(self.area.right() - 1, y, "…", 1, style);
            }
        }
    }

    /// So that it ends at a column.
    fn text_before(&mut self, end: u16, words: &str, style: Style) {
        self.text(end.saturating_sub(width(words.to_owned())), words, style);
    }

    fn skip(&mut self, lines: u16) {
        self.y = self.y.saturating_add(lines);
    }

    /// The rest of this line from a column on, if there is any.
    fn rest(&self, x: u16) -> Option<Rect> {
        let is_there = self.y < self.area.bottom() && x < self.area.width;
        is_there.then(|| Rect::new(self.area.x + x, self.y, self.area.width - x, 1))
    }
}

fn title(view: &View, theme: Theme, pen: &mut Pen<'_>) {
    let model = view.shown();
    match &model.link {
        Link::From(address) => {
            let name = text::line(model.hello.name.as_bytes());
            let version = text::line(model.hello.version.as_bytes());
            let told = format!("raftkv top: {name} ({address}) tells, version {version}");
            pen.text(0, &told, theme.title());
        }
        Link::Looking(reason) => {
            let reason = reason.lines().collect::<Vec<_>>().join(" ");
            let told = format!(
                "raftkv top: nobody tells ({}), trying again",
                text::line(reason.as_bytes())
            );
            pen.text(0, &told, theme.alert());
        }
    }
    if view.is_paused() {
        pen.text_before(pen.area.width, " PAUSED ", theme.alert());
    }
    pen.skip(1);
}

/// The gravest sentence first, and in words how grave that is; in lines that fit.
fn health(model: &Model, cells: usize) -> (Health, Vec<String>) {
    let Some(state) = &model.state else {
        return (Health::Degraded, vec!["nothing is known of the cluster yet".to_owned()]);
    };
    let diagnosis = diagnosis(state);
    let word = match diagnosis.health {
        Health::Healthy => "healthy: ",
        Health::Degraded => "degraded: ",
        Health::Down => "DOWN: ",
    };
    let prefixes = std::iter::once(word).chain(std::iter::repeat(""));
    let sentences = prefixes.zip(&diagnosis.sentences);
    let lines = sentences.flat_map(|(prefix, sentence)| {
        wrap(&text::line(format!("{prefix}{sentence}").as_bytes()), cells)
    });
    (diagnosis.health, lines.collect())
}

/// Broken between words; what continues is indented.
fn wrap(sentence: &str, cells: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= cells => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

fn table(model: &Model, theme: Theme, shown: usize, pen: &mut Pen<'_>) {
    let table = Table::fit(model, pen.area.width);
    let headings: Vec<String> =
        table.columns.iter().map(|(column, _)| column.heading.to_owned()).collect();
    row(&table, &headings, theme.heading(), pen);
    for (cells, member) in table.rows.iter().zip(model.members()).take(shown) {
        row(&table, cells, style_of(model, member, theme), pen);
    }
}

fn row(table: &Table, cells: &[String], style: Style, pen: &mut Pen<'_>) {
    let mut x = 0;
    for ((column, width), cell) in table.columns.iter().zip(cells) {
        if column.is_number {
            pen.text_before(x + width, cell, style);
        } else {
            pen.text(x, cell, style);
        }
        x += table.step(*width);
    }
    pen.skip(1);
}

fn style_of(model: &Model, member: &MemberState, theme: Theme) -> Style {
    let is_stale = matches!(model.link, Link::Looking(_));
    // A deposed leader may not know of it yet.
    let leads = model.leader().is_some_and(|leader| leader.id == member.id);
    match member.role.as_deref() {
        _ if is_stale || !member.is_reached() => theme.quiet(),
        _ if leads => theme.leader(),
        Some("candidate" | "pre-candidate") => theme.candidate(),
        _ => Style::new(),
    }
}

/// One of all members, and then one of each.
fn sparks(model: &Model, theme: Theme, shown: usize, pen: &mut Pen<'_>) {
    let of_each = model
        .members()
        .iter()
        .filter_map(|member| Some((model.name(&member.id), model.writes_of.get(&member.id)?)));
    let lines = std::iter::once(("writes/s".to_owned(), &model.writes)).chain(of_each);
    for (label, series) in lines.take(shown) {
        let before = LABEL_CELLS + VALUE_CELLS + 1;
        let label: String = label.chars().take(usize::from(LABEL_CELLS)).collect();
        pen.text(0, &text::line(label.as_bytes()), Style::new());
        let value = series.newest(1)[0].to_string();
        pen.text_before(before - 1, &value, theme.title());
        if let Some(rest) = pen.rest(before) {
            let data = series.newest(usize::from(rest.width));
            Sparkline::default().data(data).style(theme.spark()).render(rest, pen.buffer);
        }
        pen.skip(1);
    }
}

fn events(view: &View, theme: Theme, shown: usize, pen: &mut Pen<'_>) {
    let model = view.shown();
    let mut heading = format!("EVENTS: {}, newest first, UTC", view.filter.name());
    if view.scroll > 0 {
        heading.push_str(&format!(", after {} newer", view.scroll));
    }
    if model.lost > 0 {
        heading.push_str(&format!(", {} left out", model.lost));
    }
    pen.line(&heading, theme.heading());
    let kept = model.events(view.filter);
    if kept.is_empty() && shown > 0 {
        pen.line("  none yet; f shows other kinds", theme.quiet());
    }
    for event in kept.iter().skip(view.scroll).take(shown) {
        let style = if event.happened.is_rare() { theme.rare() } else { Style::new() };
        pen.line(&event_line(model, event), style);
    }
}

/// When, whether it is rare, and what.
fn event_line(model: &Model, event: &Event) -> String {
    let mark = if event.happened.is_rare() { '•' } else { ' ' };
    format!("{} {mark} {}", time_of_day(event.t_us), sentence(event, |id| model.name(id)))
}

fn time_of_day(t_us: u64) -> String {
    let seconds = t_us / 1_000_000;
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, t_us / 1_000 % 1_000)
}

/// The frame as text, without the white space behind its lines.
pub(super) fn plain(view: &View, area: Rect) -> String {
    let mut buffer = Buffer::empty(area);
    draw(view, Theme::PLAIN, area, &mut buffer);
    let row = |y| {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // The cell behind a wide one is part of it.
            x += width(symbol.to_owned()).max(1);
        }
        line.trim_end().to_owned()
    };
    (area.top()..area.bottom()).map(|y| row(y) + "\n").collect()
}

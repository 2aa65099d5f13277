//! The table of members: its columns, and which of them fit.

use client::{ElectionWait, MemberState, Rates};
use ratatui::text::Span;

use super::health::age;
use super::model::Model;
use crate::diagnosis::VOTER;
use crate::text;

/// Between two columns, and where there is little room.
const GAP: u16 = 2;
const GAP_MIN: u16 = 1;
/// Of the bar that fills until an election.
const BAR_CELLS: u64 = 5;

/// A column of the table.
pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) is_number: bool,
    /// The column with the highest one goes first where there is no room.
    rank: u8,
    cell: fn(&Model, &MemberState) -> String,
}

/// In the order in which they are shown.
const COLUMNS: [Column; 13] = [
    Column { heading: "MEMBER", is_number: false, rank: 0, cell: name },
    Column { heading: "ROLE", is_number: false, rank: 1, cell: role },
    Column { heading: "TERM", is_number: true, rank: 2, cell: |_, member| number(member.term) },
    Column { heading: "LAST", is_number: true, rank: 9, cell: last },
    Column { heading: "COMMIT", is_number: true, rank: 4, cell: commit },
    Column { heading: "APPLIED", is_number: true, rank: 8, cell: applied },
    Column { heading: "LAG", is_number: true, rank: 3, cell: lag },
    Column { heading: "WRITES", is_number: true, rank: 5, cell: writes },
    Column { heading: "READS", is_number: true, rank: 7, cell: reads },
    Column { heading: "P50", is_number: true, rank: 11, cell: p50 },
    Column { heading: "P99", is_number: true, rank: 10, cell: p99 },
    Column { heading: "ELECTION", is_number: true, rank: 6, cell: election },
    Column { heading: "", is_number: false, rank: 12, cell: election_bar },
];

/// The columns that fit, each with its width.
pub(super) struct Table {
    pub(super) columns: Vec<(&'static Column, u16)>,
    pub(super) rows: Vec<Vec<String>>,
    gap: u16,
}

impl Table {
    /// Of the members of `model`, as far as it fits into `width` cells.
    pub(super) fn fit(model: &Model, width: u16) -> Table {
        let mut columns: Vec<(&'static Column, u16)> =
            COLUMNS.iter().map(|column| (column, width_of(column, model))).collect();
        let is_wide = total(&columns, GAP) <= usize::from(width);
        let gap = if is_wide { GAP } else { GAP_MIN };
        while columns.len() > 1 && total(&columns, gap) > usize::from(width) {
            let last = columns.iter().map(|(column, _)| column.rank).max();
            columns.retain(|(column, _)| Some(column.rank) != last);
        }
        let row = |member: &MemberState| {
            columns.iter().map(|(column, _)| (column.cell)(model, member)).collect()
        };
        let rows = model.members().iter().map(row).collect();
        Table { columns, rows, gap }
    }

    /// From the beginning of a column so wide to that of the next.
    pub(super) fn step(&self, width: u16) -> u16 {
        width.saturating_add(self.gap)
    }
}

fn total(columns: &[(&Column, u16)], gap: u16) -> usize {
    let cells = columns.iter().map(|(_, width)| usize::from(width.saturating_add(gap)));
    cells.sum::<usize>().saturating_sub(usize::from(gap))
}

fn width_of(column: &Column, model: &Model) -> u16 {
    let cells = model.members().iter().map(|member| width((column.cell)(model, member)));
    cells.fold(width(column.heading.to_owned()), u16::max)
}

/// In cells of the terminal.
pub(super) fn width(text: String) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX / 64)
}

/// Whoever leads has a crown, and its role says it, too.
fn name(model: &Model, member: &MemberState) -> String {
    let leads = model.leader().is_some_and(|leader| leader.id == member.id);
    let mark = if leads { '♛' } else { ' ' };
    format!("{mark} {}", text::line(model.name(&member.id).as_bytes()))
}

fn role(_: &Model, member: &MemberState) -> String {
    match (member.is_reached(), member.heard_ms) {
        (false, Some(heard_ms)) => return format!("away {}", age(heard_ms)),
        (false, None) => return "not heard".to_owned(),
        _ => {}
    }
    let role = member.role.as_deref().unwrap_or("-");
    let counts_less = member.standing != VOTER && role == "follower";
    text::cell(if counts_less { &member.standing } else { role }.as_bytes())
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn last(_: &Model, member: &MemberState) -> String {
    number(member.log.map(|log| log.last_index))
}

fn commit(_: &Model, member: &MemberState) -> String {
    number(member.log.map(|log| log.commit))
}

fn applied(_: &Model, member: &MemberState) -> String {
    number(member.log.map(|log| log.applied))
}

fn lag(model: &Model, member: &MemberState) -> String {
    number(model.lag(member))
}

/// Nobody knows what one answers that is not reached.
fn rates(member: &MemberState) -> Option<Rates> {
    member.rates.filter(|_| member.is_reached())
}

fn writes(_: &Model, member: &MemberState) -> String {
    number(rates(member).map(|rates| rates.writes))
}

fn reads(_: &Model, member: &MemberState) -> String {
    number(rates(member).map(|rates| rates.reads))
}

fn p50(_: &Model, member: &MemberState) -> String {
    duration(rates(member).and_then(|rates| rates.p50_us))
}

fn p99(_: &Model, member: &MemberState) -> String {
    duration(rates(member).and_then(|rates| rates.p99_us))
}

fn duration(us: Option<u64>) -> String {
    match us {
        None => "-".to_owned(),
        Some(us @ 0..1_000) => format!("{us}µs"),
        Some(us @ 1_000..1_000_000) => format!("{}.{}ms", us / 1_000, us / 100 % 10),
        Some(us) => format!("{}.{}s", us / 1_000_000, us / 100_000 % 10),
    }
}

/// A follower's patience with its leader; none is known of one that is not reached.
fn patience(member: &MemberState) -> Option<ElectionWait> {
    member.election.filter(|_| member.is_reached())
}

/// How much of it is left.
fn election(_: &Model, member: &MemberState) -> String {
    let left_ms = |wait: ElectionWait| wait.timeout_ms.saturating_sub(wait.elapsed_ms);
    patience(member).map_or_else(String::new, |wait| format!("{}ms", left_ms(wait)))
}

/// How much of it is over.
fn election_bar(_: &Model, member: &MemberState) -> String {
    let Some(ElectionWait { elapsed_ms, timeout_ms }) = patience(member) else {
        return String::new();
    };
    let filled = elapsed_ms.saturating_mul(BAR_CELLS).checked_div(timeout_ms).unwrap_or(0);
    (0..BAR_CELLS).map(|cell| if cell < filled { '▓' } else { '░' }).collect()
}

#[cfg(test)]
mod tests {
    use client::ClusterState;

    use super::*;
    use crate::top::tests::{away, cluster, hear_state, member};

    fn model(members: Vec<MemberState>) -> Model {
        let mut model = Model::new();
        hear_state(&mut model, ClusterState { members, ..cluster() });
        model
    }

    fn headings(model: &Model, width: u16) -> Vec<&'static str> {
        Table::fit(model, width).columns.iter().map(|(column, _)| column.heading).collect()
    }

    #[test]
    fn with_less_room_there_are_fewer_columns_and_the_name_stays() {
        let model = model(vec![member(1), member(2), away(3)]);
        assert_eq!(headings(&model, 120).len(), COLUMNS.len());
        assert_eq!(headings(&model, 80).len(), COLUMNS.len() - 2);
        assert_eq!(headings(&model, 40), ["MEMBER", "ROLE", "TERM", "COMMIT", "LAG"]);
        assert_eq!(headings(&model, 1), ["MEMBER"]);
        for width in 12..120 {
            assert!(
                total(&Table::fit(&model, width).columns, GAP_MIN) <= usize::from(width),
                "{width}"
            );
        }
    }

    #[test]
    fn a_member_that_is_away_says_since_when_and_no_rates() {
        let table = Table::fit(&model(vec![member(1), away(2)]), 200);
        let row = &table.rows[1];
        assert_eq!((row[1].as_str(), row[7].as_str(), row[11].as_str()), ("away 12 s", "-", ""));
    }

    #[test]
    fn a_learner_is_called_by_what_it_counts_for() {
        let learner = MemberState { standing: "joining".to_owned(), ..member(2) };
        let model = model(vec![member(1), learner]);
        assert_eq!(Table::fit(&model, 200).rows[1][1], "joining");
    }

    #[test]
    fn the_bar_is_full_when_the_election_comes() {
        let with = |elapsed_ms, timeout_ms| {
            let election_wait = Some(ElectionWait { elapsed_ms, timeout_ms });
            let (model, member) =
                (Model::new(), MemberState { election: election_wait, ..member(2) });
            format!("{} {}", election(&model, &member), election_bar(&model, &member))
        };
        assert_eq!(with(0, 1_200), "1200ms ░░░░░");
        assert_eq!(with(600, 1_200), "600ms ▓▓░░░");
        assert_eq!(with(5_000, 1_200), "0ms ▓▓▓▓▓");
        assert_eq!(with(u64::MAX, u64::MAX), "0ms ▓░░░░");
        assert_eq!(with(7, 0), "0ms ░░░░░");
    }

    #[test]
    fn durations() {
        let shown = [999, 1_024, 65_536, 2_500_000].map(|us| duration(Some(us)));
        assert_eq!(shown, ["999µs", "1.0ms", "65.5ms", "2.5s"]);
    }
}

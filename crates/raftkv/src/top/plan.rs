//! How many lines each part of a frame gets. The least that is of use comes first; what is left is
//! the events'.

/// Lines of the parts, from top to bottom, but for the title, the heading of the table and the one
/// of the events, which have one each, and the line of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// How the cluster is, in words.
    pub(super) health: u16,
    /// Members in the table.
    pub(super) members: u16,
    /// Sparklines: one of all members, and one of each.
    pub(super) sparks: u16,
    /// Between the parts.
    pub(super) gap: u16,
    pub(super) events: u16,
}

/// Title, the two headings, and the line of keys.
const FIXED_LINES: u16 = 4;
/// So many events are to be seen before anything beyond the least has room.
const EVENTS_WANTED: u16 = 6;
/// More lines of words than this are for `raftkv status`.
const HEALTH_MAX: u16 = 4;
/// Gaps in a frame: before the table, the sparklines and the events.
const GAPS: u16 = 3;

impl Plan {
    /// For a terminal of that height, for so many members and lines of words.
    pub(super) fn of(height: u16, members: usize, words: usize) -> Plan {
        let members = u16::try_from(members).unwrap_or(u16::MAX);
        let words = u16::try_from(words).unwrap_or(u16::MAX).min(HEALTH_MAX);
        let mut left = height.saturating_sub(FIXED_LINES);
        let first = take(&mut left, words.min(1));
        // A heading of events without any is of no use, so one line is theirs.
        let shown = take(&mut (left.saturating_sub(1)), members);
        left -= shown;
        let mut spare = left.saturating_sub(EVENTS_WANTED);
        let rest = take(&mut spare, words - first.min(words));
        let sum = take(&mut spare, 1);
        let gaps = take_all(&mut spare, GAPS);
        let each = take_all(&mut spare, members);
        let events = left - rest - sum - gaps - each;
        Plan { health: first + rest, members: shown, sparks: sum + each, gap: gaps / GAPS, events }
    }
}

fn take(left: &mut u16, wanted: u16) -> u16 {
    let taken = wanted.min(*left);
    *left -= taken;
    taken
}

/// All of it, or nothing.
fn take_all(left: &mut u16, wanted: u16) -> u16 {
    if wanted <= *left { take(left, wanted) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_terminal_has_room_for_all_but_a_line_each() {
        let plan = Plan::of(24, 3, 1);
        let expected = Plan { health: 1, members: 3, sparks: 4, gap: 1, events: 9 };
        assert_eq!(plan, expected);
    }

    #[test]
    fn a_small_one_keeps_the_members_and_the_newest_events() {
        let plan = Plan::of(10, 3, 3);
        assert_eq!(plan, Plan { health: 1, members: 3, sparks: 0, gap: 0, events: 2 });
    }

    #[test]
    fn no_frame_is_higher_than_its_terminal() {
        for height in 0..80 {
            for members in [0, 1, 3, 7, 31, 100_000] {
                for words in [0, 1, 4, 9] {
                    let Plan { health, members: shown, sparks, gap, events } =
                        Plan::of(height, members, words);
                    let lines = health + shown + sparks + gap * GAPS + events;
                    let room = height.saturating_sub(FIXED_LINES);
                    assert_eq!(lines, room, "{height} {members} {words}");
                }
            }
        }
    }
}

//! How many lines each part of a frame gets. The least that is of use comes first; what is left is
//! the events'.

/// Lines of the parts, from top to bottom, but for the title, the heading of the table and the one
/// of the events, which have one each, and the line of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// Sentences on the cluster's health.
    pub(super) sentences: u16,
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
/// More sentences than this are for `raftkv status`.
const SENTENCES_MAX: u16 = 4;
/// Gaps in a frame: before the table, the sparklines and the events.
const GAPS: u16 = 3;

impl Plan {
    pub(super) fn of(height: u16, members: usize, sentences: usize) -> Plan {
        let members = u16::try_from(members).unwrap_or(u16::MAX);
        let sentences = u16::try_from(sentences).unwrap_or(u16::MAX);
        let mut left = height.saturating_sub(FIXED_LINES);
        let first_sentence = take(&mut left, sentences.min(1));
        // A heading of events without any is of no use, so one line is theirs.
        let shown = take_but(&mut left, members, 1);
        let mut extra = left.saturating_sub(EVENTS_WANTED);
        let sum = take(&mut extra, 1);
        let more_sentences =
            take(&mut extra, sentences.min(SENTENCES_MAX) - first_sentence.min(sentences));
        let gap = u16::from(extra >= GAPS);
        extra -= gap * GAPS;
        let each = if extra >= members { members } else { 0 };
        left -= sum + more_sentences + gap * GAPS + each;
        Plan {
            sentences: first_sentence + more_sentences,
            members: shown,
            sparks: sum + each,
            gap,
            events: left,
        }
    }
}

fn take(left: &mut u16, wanted: u16) -> u16 {
    let taken = wanted.min(*left);
    *left -= taken;
    taken
}

/// Leaves so many.
fn take_but(left: &mut u16, wanted: u16, but: u16) -> u16 {
    let taken = wanted.min(left.saturating_sub(but));
    *left -= taken;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_terminal_has_room_for_all_but_a_line_each() {
        let plan = Plan::of(24, 3, 1);
        let expected = Plan { sentences: 1, members: 3, sparks: 4, gap: 1, events: 9 };
        assert_eq!(plan, expected);
    }

    #[test]
    fn a_small_one_keeps_the_members_and_the_newest_events() {
        let plan = Plan::of(10, 3, 3);
        assert_eq!(plan, Plan { sentences: 1, members: 3, sparks: 0, gap: 0, events: 2 });
    }

    #[test]
    fn no_frame_is_higher_than_its_terminal() {
        for height in 0..80 {
            for members in [0, 1, 3, 7, 31, 100_000] {
                for sentences in [0, 1, 4, 9] {
                    let Plan { sentences: told, members: shown, sparks, gap, events } =
                        Plan::of(height, members, sentences);
                    let lines = told + shown + sparks + gap * GAPS + events;
                    let room = height.saturating_sub(FIXED_LINES);
                    assert_eq!(lines, room, "{height} {members} {sentences}");
                }
            }
        }
    }
}

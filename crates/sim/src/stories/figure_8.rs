//! Figure 8 of the Raft paper: an entry of an old term is on a majority, and gives way all the
//! same. That is why a leader commits by counting copies only what is of its own term.
//!
//! The terms are the paper's, its S1 is node-1, and the entry that its index 2 has is entry 3 here:
//! entry 1 founds the cluster, and each leader begins its term with an entry of its own, as the
//! paper's section 8 wants.

use super::Story;
use super::script::Script;
use super::signs::{all_alike, commits, counts, has, leads};
use super::stage::Pace;

pub(super) const STORY: Story = Story {
    name: "figure-8",
    title: "Figure 8",
    text: "The figure of the Raft paper: an entry of an old term is on three of five disks, \
           and is overwritten. So copies alone do not make it committed.",
    members: 5,
    seed: 98,
    pace,
    script,
};

/// One entry a message, and one message at a time.
fn pace() -> Pace {
    Pace { message_bytes_max: 60, ..Pace::default() }
}

/// The entry that the story is about.
const DISPUTED: u64 = 3;

fn script() -> Script {
    let script = Script::new()
        .after_ms(0)
        .start(&[1, 2, 3, 4, 5])
        .caption("Five members", "node-1 becomes the leader of term 2.")
        .once(leads(1, 2))
        .once(all_alike())
        .after_ms(2_500);
    end(back(first_leaders(script)))
}

fn first_leaders(script: Script) -> Script {
    script
        .caption(
            "(a) An entry on two disks",
            "In a moment node-1 is asked to write x, and just then it and node-2 are cut off \
             from the others. So entry 3, of term 2, comes to two disks of five.",
        )
        .after_ms(5_000)
        .split(&[1, 2])
        .put(1, "x", "of term 2")
        .once(counts(1, 2, DISPUTED))
        .after_ms(500)
        .power_cut(1)
        .caption(
            "(b) Another leader, another entry 3",
            "node-1 loses its power. The three that hear no leader elect node-5, for term 3. It \
             begins its term with an entry 3 of its own, and is cut off before anybody gets it.",
        )
        .once(leads(5, 3))
        .split(&[5])
        .put(5, "x", "of term 3")
        .once(has(5, DISPUTED + 1))
        .after_ms(900)
        .power_cut(5)
        .after_ms(4_500)
}

fn back(script: Script) -> Script {
    script
        .heal()
        .split(&[4])
        .start(&[1])
        .caption(
            "(c) The first leader is back",
            "node-5 is gone, node-4 is cut off. node-1 is back: its log is the longest of those \
             that vote, so it is elected again, for term 4. It goes on copying entry 3.",
        )
        .once(leads(1, 4))
        .once(counts(1, 2, DISPUTED))
        .once(counts(1, 3, DISPUTED))
        .sever(1, 3)
        .caption(
            "Three of five, and not committed",
            "Entry 3, of term 2, is on the disks of node-1, node-2 and node-3: a majority. \
             Still node-1 does not commit it: it counts copies only of entries of its own term \
             4, and entry 4 is on two disks. You will see why.",
        )
        .after_ms(600)
        .power_cut(1)
        .after_ms(6_500)
}

fn end(script: Script) -> Script {
    script
        .heal()
        .split(&[2])
        .start(&[5])
        .caption(
            "(d) The other leader is back",
            "node-1 has lost its power again. node-5's last entry is of term 3, newer than the \
             term 2 that node-3's log ends with: node-3 and node-4 may vote for it. It leads \
             term 5.",
        )
        .once(leads(5, 5))
        .once(commits(3, DISPUTED))
        .caption(
            "The entry is overwritten",
            "node-5's entry 3 takes the place of the other one, which was on a majority. Had \
             node-1 called that one committed, a promise would be broken now.",
        )
        .after_ms(7_000)
        .heal()
        .start(&[1])
        .caption(
            "(e) What would have saved it",
            "Had an entry of term 4 come to a majority as well, node-5 could not have been \
             elected, and all before that entry would have been committed with it. So it is \
             now: entry 3 of term 3 is committed with node-5's entry of term 5.",
        )
        .once(all_alike())
        .after_ms(7_000)
}

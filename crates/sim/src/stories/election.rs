//! Three members elect a leader, lose it, and elect another.

use super::Story;
use super::script::Script;
use super::signs::{all_follow, leads};
use super::stage::Pace;

pub(super) const STORY: Story = Story {
    name: "election",
    title: "An election",
    text: "Three members elect a leader. Its machine loses power; the two others elect the next.",
    members: 3,
    seed: 2,
    pace: Pace::default,
    script,
};

fn script() -> Script {
    let script = Script::new()
        .after_ms(0)
        .caption(
            "Three machines",
            "Three machines are to keep the same data. One of them will lead: it decides in which \
             order things are written. Nothing runs yet, so nobody leads.",
        )
        .after_ms(5_000)
        .start(&[1, 2, 3])
        .caption(
            "Each waits for a leader",
            "Each member waits for a leader's word, for a time drawn by chance. Whose time is up \
             first asks the others: would you vote for me? If most would, it begins a new term and \
             asks for their votes.",
        )
        .once(leads(2, 2))
        .caption(
            "A leader",
            "Two votes of three are a majority, and each member has one vote a term: so a term has \
             one leader at most. node-2 leads term 2. (In term 1 the cluster was founded.)",
        )
        .once(all_follow(2))
        .after_ms(5_000);
    fall(script)
}

fn fall(script: Script) -> Script {
    script
        .caption(
            "Heartbeats",
            "The leader says now and then that it is there. Whoever hears it begins to wait anew, \
             so nobody else stands for election.",
        )
        .after_ms(6_000)
        .power_cut(2)
        .caption(
            "The leader's machine loses power",
            "No member is told. The two others only hear nothing any more, and wait: one second \
             to two, by chance.",
        )
        .once(leads(3, 3))
        .caption(
            "The next term",
            "node-3's time was up first. It has its own vote and node-1's: two of three are still \
             a majority, and it leads term 3.",
        )
        .after_ms(7_000)
        .start(&[2])
        .caption(
            "The old leader comes back",
            "Its disk remembers that it was in term 2. It hears of term 3, so its own time is \
             over: it follows, and gets the entries that it has missed.",
        )
        .once(all_follow(3))
        .after_ms(6_000)
}

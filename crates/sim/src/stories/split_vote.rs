//! Two stand for election at once, and nobody wins.

use super::Story;
use super::script::Script;
use super::signs::{all_alike, all_follow, leads, tie};
use super::stage::Pace;

pub(super) const STORY: Story = Story {
    name: "split-vote",
    title: "A split vote",
    text: "Two members stand for election at the same moment and get two votes each. Nobody wins, \
           and chance settles it in the next term.",
    members: 5,
    seed: 397,
    pace: Pace::default,
    script,
};

fn script() -> Script {
    Script::new()
        .after_ms(0)
        .start(&[1, 2, 3, 4, 5])
        .caption(
            "Five members",
            "Whoever wants to lead five members needs three votes. A member has one vote a term, \
             and gives it to whoever asks first.",
        )
        .once(leads(1, 2))
        .once(all_alike())
        .after_ms(4_000)
        .power_cut(1)
        .caption(
            "The leader's machine loses power",
            "The four others wait, each for a time of its own. Mostly one is the first by far. Not \
             this time.",
        )
        .once(tie(3, 2))
        .caption(
            "Two and two",
            "Two members stood for election in term 3 before either had heard of the other. Each \
             has its own vote and one more. Three are needed: nobody leads term 3, and nobody ever \
             will.",
        )
        .once(leads(3, 4))
        .caption(
            "Chance settles it",
            "All drew new times to wait. node-3's was up first: it began term 4, and in a new term \
             everybody has a vote again.",
        )
        .once(all_follow(3))
        .after_ms(6_000)
}

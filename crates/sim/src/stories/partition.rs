//! A leader on the wrong side of a partition.

use super::Story;
use super::script::Script;
use super::signs::{all_alike, commits, has, leads, steps_down};
use super::stage::Pace;

pub(super) const STORY: Story = Story {
    name: "partition",
    title: "A partition heals",
    text: "A leader is cut off with a minority. What it is asked to write is never committed, and \
           gives way when the partition heals.",
    members: 5,
    seed: 66,
    pace: Pace::default,
    script,
};

fn script() -> Script {
    let script = Script::new()
        .after_ms(0)
        .start(&[1, 2, 3, 4, 5])
        .caption("Five members", "node-1 becomes their leader.")
        .once(leads(1, 2))
        .once(all_alike())
        .after_ms(1_500)
        .put(1, "door", "open")
        .once(all_alike())
        .after_ms(1_000);
    cut(script)
}

fn cut(script: Script) -> Script {
    script
        .caption(
            "The network breaks in two",
            "In a moment node-1 and node-2 hear nobody else any more. node-1 does not know, and \
             takes two more writes. They come to two disks of five, which is no majority: they are \
             not committed, and nobody is told that they are done.",
        )
        .after_ms(6_000)
        .split(&[1, 2])
        .after_ms(200)
        .put(1, "door", "shut")
        .after_ms(250)
        .put(1, "lamp", "on")
        .once(has(2, 5))
        .once(steps_down(1))
        .once(leads(4, 3))
        .caption(
            "A leader with a majority",
            "node-1 has heard of no majority for a while and gave up. The three others have \
             elected node-4, in term 3. Three of five can go on.",
        )
        .after_ms(3_000)
        .put(4, "door", "locked")
        .once(commits(4, 5))
        .after_ms(1_500)
        .caption(
            "The logs differ",
            "Entries 4 and 5 are other ones on each side. Those of term 3 are on a majority, and \
             committed.",
        )
        .after_ms(5_000)
        .heal()
        .caption(
            "The network heals",
            "node-1 and node-2 hear of term 3 and follow its leader. Their entries contradict the \
             leader's log: they are removed, and the leader's take their place.",
        )
        .once(all_alike())
        .after_ms(3_500)
        .caption(
            "Nothing that was promised is lost",
            "What gave way was never committed. Whoever asked for it was not told that it was \
             done, and the client learns that its write has failed.",
        )
        .after_ms(6_000)
}

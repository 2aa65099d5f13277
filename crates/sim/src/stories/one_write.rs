//! What one write goes through, so slowly that each step can be seen.

use super::Story;
use super::script::Script;
use super::signs::{all_alike, all_show, commits, counts, has, leads};
use super::stage::Pace;

pub(super) const STORY: Story = Story {
    name: "one-write",
    title: "One write, step by step",
    text: "A write is appended, copied, acknowledged, committed and applied. Three numbers on \
           each member tell how far it is: last, committed, applied.",
    members: 3,
    seed: 6,
    pace,
    script,
};

/// Messages will be slow, and nobody is to lose patience.
fn pace() -> Pace {
    Pace { heartbeat_ms: 3_000, election_timeout_ms: 15_000, ..Pace::default() }
}

/// Entry 1 says who is in the cluster, entry 2 is the leader's first, and this is the write.
const WRITE: u64 = 3;

fn script() -> Script {
    let script = Script::new()
        .after_ms(0)
        .start(&[1, 2, 3])
        .caption(
            "A cluster",
            "Three members elect a leader. Entry 1 of their logs says who is in the cluster; \
             the new leader adds entry 2, which says nothing but that its term has begun.",
        )
        .once(leads(1, 2))
        .once(all_alike())
        .after_ms(4_000)
        .pace((3_500, 3_500), (1_500, 1_500))
        .caption(
            "Slowly now",
            "From here on messages and disks are slow. On each member look at three numbers: \
             the last entry of its log, how far it knows the log to be committed, and how far \
             it has applied it. All are 2.",
        )
        .after_ms(8_000)
        .put(1, "colour", "green");
    write(script)
}

fn write(script: Script) -> Script {
    script
        .once(has(1, WRITE))
        .caption(
            "1. Append",
            "A client asks for colour = green. The leader appends it as entry 3: last is 3 \
             here. It writes it to its disk and sends it to both followers at the same time.",
        )
        .once(has(2, WRITE))
        .caption(
            "2. Copy",
            "The followers have it and append it: last is 3 everywhere. Each writes it to its \
             disk before it answers. Nobody may show it yet: it could still be lost.",
        )
        .once(counts(1, 2, WRITE))
        .once(commits(1, WRITE))
        .caption(
            "3. Commit, 4. Apply",
            "The leader's disk and a follower's are two of three: a majority. The entry is \
             committed, whatever happens now. The leader applies it to its store and answers \
             the client.",
        )
        .once(commits(2, WRITE))
        .caption(
            "5. The followers hear of it",
            "With the leader's next message they learn that entry 3 is committed, and apply it \
             too.",
        )
        .once(all_show(WRITE))
        .after_ms(3_000)
        .caption(
            "Three times 3",
            "Last, committed and applied are 3 on every member: they show the same, and a read \
             through any of them finds green.",
        )
        .after_ms(6_000)
}

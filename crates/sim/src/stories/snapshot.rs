//! A member that was away gets a snapshot, because the log that it lacks is gone.

use super::Story;
use super::script::Script;
use super::signs::{all_alike, has_cut, leads};
use super::stage::Pace;

pub(super) const STORY: Story = Story {
    name: "snapshot",
    title: "A snapshot catches up",
    text: "A member is away while the others write, and cut what is old off their logs. What it \
           lacks is in no log any more: it is sent the state itself.",
    members: 3,
    seed: 6,
    pace,
    script,
};

fn pace() -> Pace {
    Pace { snapshot_bytes_min: 900, ..Pace::default() }
}

/// So many writes, one after the other.
const WRITES: u64 = 24;
/// From one to the next.
const EVERY_MS: u64 = 250;
const KEYS: [&str; 6] = ["apple", "banana", "cherry", "date", "elder", "fig"];

fn script() -> Script {
    let script = Script::new()
        .after_ms(0)
        .start(&[1, 2, 3])
        .caption("Three members", "node-1 becomes their leader, and all logs are alike.")
        .once(leads(1, 2))
        .once(all_alike())
        .after_ms(3_000)
        .power_cut(3)
        .caption(
            "One is away",
            "node-3's machine loses power. The two others are a majority and go on: clients write, \
             and the logs grow.",
        );
    let script = (0..WRITES).fold(script, |script, number| {
        let key = KEYS[number as usize % KEYS.len()];
        script.after_ms(EVERY_MS).put(1, key, format!("basket {number}"))
    });
    come_back(script)
}

fn come_back(script: Script) -> Script {
    script
        .once(has_cut(1, 10))
        .caption(
            "Logs are cut",
            "A log can not grow for ever. Now and then each member writes its whole state to disk, \
             a snapshot, and cuts off the entries that it stands for.",
        )
        .after_ms(6_000)
        .start(&[3])
        .caption(
            "It comes back",
            "node-3's log ends where it lost its power. What comes next is in no log any more, so \
             the leader sends its snapshot, piece by piece.",
        )
        .once(has_cut(3, 10))
        .caption(
            "The snapshot takes the place of the log",
            "All pieces are there and checked. node-3's state is the snapshot's; from there on it \
             gets the entries after it, as any follower.",
        )
        .once(all_alike())
        .after_ms(5_000)
}

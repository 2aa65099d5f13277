//! Told scenes: short stories that teach Raft, played by the members themselves.
//!
//! A story is a script (`script.rs`): at this moment, or as soon as that has come to pass, do this
//! and say that. Everything in between is what members do of their own accord, so a story can not
//! show what they would not do; all that is checked in any life is checked here too. Where a story
//! needs luck, its seed has it, and its script insists: a step whose condition does not come in
//! time ends the story, and the test that tells all of them.
//!
//! Time is for eyes: members wait a second or two for their leader, and messages fly for a good
//! tenth of one (`stage.rs`).

mod election;
mod figure_8;
mod one_write;
mod partition;
mod script;
mod signs;
mod snapshot;
mod split_vote;
mod stage;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fleet::message_of;
use crate::trace::Trace;
use script::Script;
use stage::Pace;

/// A story.
pub struct Story {
    /// Of its file, and on the command line.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What is told, in a sentence or two.
    pub text: &'static str,
    /// So many members play it.
    pub members: u64,
    /// The luck that it needs.
    pub seed: u64,
    pace: fn() -> Pace,
    script: fn() -> Script,
}

/// All of them, in the order in which they teach.
pub const STORIES: [Story; 6] = [
    election::STORY,
    one_write::STORY,
    split_vote::STORY,
    partition::STORY,
    snapshot::STORY,
    figure_8::STORY,
];

/// Tells a story, with its own seed or another one; how long it is, in µs. What went otherwise than
/// it should is the error.
pub fn try_tell(story: &Story, seed: Option<u64>, trace: Trace) -> Result<u64, String> {
    let seed = seed.unwrap_or(story.seed);
    catch_unwind(AssertUnwindSafe(|| stage::play(story, seed, trace)))
        .map_err(|panic| message_of(panic.as_ref()))
}

//! A script: steps that follow each other, each at its moment.

use raft::MemberId;

use crate::life::Life;
use crate::time::Span;

/// Something that can be seen of the members; it is looked for after each event.
pub(super) struct Sign {
    /// In words, for whoever finds that it did not come.
    pub(super) words: String,
    pub(super) holds: Box<dyn Fn(&Life) -> bool>,
}

/// When a step is taken.
pub(super) enum When {
    /// So long after the step before it.
    After(Span),
    /// As soon as this holds.
    Once(Sign),
}

/// What a step does.
#[derive(Debug)]
pub(super) enum Act {
    Caption {
        title: &'static str,
        text: &'static str,
    },
    Start(MemberId),
    /// The member's machine loses its power: nobody is told.
    PowerCut(MemberId),
    /// These can not talk to the others any more.
    Split(Vec<MemberId>),
    /// These two can not talk to each other any more.
    Sever(MemberId, MemberId),
    /// Everybody can talk to everybody.
    Heal,
    /// A client asks that member to write.
    Put {
        member: MemberId,
        key: &'static str,
        value: String,
    },
    /// From now on messages, and flushes, take so long.
    Pace {
        delay: (Span, Span),
        flush: (Span, Span),
    },
}

pub(super) struct Step {
    pub(super) when: When,
    pub(super) acts: Vec<Act>,
}

/// The steps, in order.
#[derive(Default)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
}

impl Script {
    pub(super) fn new() -> Script {
        Script::default()
    }

    /// The next step comes so many ms after the one before.
    pub(super) fn after_ms(self, ms: u64) -> Script {
        self.step(When::After(Span::ms(ms)))
    }

    /// The next step comes as soon as this holds.
    pub(super) fn once(self, sign: Sign) -> Script {
        self.step(When::Once(sign))
    }

    fn step(mut self, when: When) -> Script {
        self.steps.push(Step { when, acts: Vec::new() });
        self
    }

    fn act(mut self, act: Act) -> Script {
        let step = self.steps.last_mut().expect("a step says first when it is taken");
        step.acts.push(act);
        self
    }

    pub(super) fn caption(self, title: &'static str, text: &'static str) -> Script {
        self.act(Act::Caption { title, text })
    }

    pub(super) fn start(self, members: &[u64]) -> Script {
        members.iter().fold(self, |script, &id| script.act(Act::Start(MemberId(id))))
    }

    pub(super) fn power_cut(self, member: u64) -> Script {
        self.act(Act::PowerCut(MemberId(member)))
    }

    pub(super) fn split(self, members: &[u64]) -> Script {
        self.act(Act::Split(members.iter().map(|&id| MemberId(id)).collect()))
    }

    pub(super) fn sever(self, one: u64, other: u64) -> Script {
        self.act(Act::Sever(MemberId(one), MemberId(other)))
    }

    pub(super) fn heal(self) -> Script {
        self.act(Act::Heal)
    }

    pub(super) fn put(self, member: u64, key: &'static str, value: impl Into<String>) -> Script {
        self.act(Act::Put { member: MemberId(member), key, value: value.into() })
    }

    /// From now on messages take so many ms, and flushes so many.
    pub(super) fn pace(self, delay_ms: (u64, u64), flush_ms: (u64, u64)) -> Script {
        let span = |(low, high)| (Span::ms(low), Span::ms(high));
        self.act(Act::Pace { delay: span(delay_ms), flush: span(flush_ms) })
    }
}

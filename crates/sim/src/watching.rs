//! Those who watch: each a range of keys, on any member, going on where it broke off.
//!
//! A watch must be an exact replay of the committed log, as the model tells it:
//!
//! - what is told of a revision is all that it did to the range, in its order, in pieces or not,
//!   with what was there before;
//! - between two revisions that are told there is none that should have been told too;
//! - no revision is told twice, or before an earlier one, on whatever member;
//! - progress up to a revision means that there was nothing more to tell up to it: the watch goes
//!   on after it;
//! - only what is committed is told;
//! - a watch ends because of compaction only if what it has to read next was compacted.
//!
//! The dispatcher and the watchers are the members' own. When the dispatcher runs after a
//! publication, and when watchers take what waits for them, is chance: some are slow enough to
//! fall behind, and bounds are small. The watchers compact as well, so that some are cut off.

use std::sync::Arc;

use bytes::Bytes;
use raft::MemberId;
use replica::{
    Batch, Dispatcher, Step, WatchEnd, WatchLimits, WatchRefusal, WatchRequest, Watcher,
};
use store::{Command, CompactionCause, Event, EventKind, KeyRange, Revision};

use crate::life::{Happening, Life};
use crate::member::Member;
use crate::model::{Model, Touched};
use crate::oracle::Asked;
use crate::plan::Plan;
use crate::random::Random;
use crate::time::Span;
use crate::workload::{Asker, key};

/// Keeps the draws of those who watch apart from all others of the seed.
const SALT: u64 = 0x7761_7463_6865_7273;
/// In so many of a thousand lives the past is compacted.
const COMPACTING_PER_MILLE: u64 = 500;
/// Of a thousand times that a watcher wakes it compacts so many times, then.
const COMPACT_PER_MILLE: u64 = 60;
/// ... leaves its member so many times, and comes back to any.
const LEAVE_PER_MILLE: u64 = 40;
/// ... has the dispatcher make a call before it takes, so many times.
const DISPATCH_PER_MILLE: u64 = 300;
/// After a publication the dispatcher runs at once so many times in a thousand: one of these.
const PROMPT_PER_MILLE: [u64; 3] = [600, 600, 60];
/// A watcher takes at most so many steps at once.
const STEPS_MAX: u64 = 12;
/// In the end it has come to the end of the log after this many.
const LAST_STEPS_MAX: u64 = 100_000;

/// What came of watching.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchCounts {
    /// Events that were told.
    pub events: u64,
    /// Watches that were begun.
    pub begun: u64,
    /// Watches that were ended by compaction, or refused for it.
    pub compacted: u64,
    /// Notices of progress.
    pub progress: u64,
    /// Watchers that were not fast enough.
    pub fallen_behind: u64,
}

#[derive(Debug)]
pub(crate) struct Watching {
    random: Random,
    limits: WatchLimits,
    compacts: bool,
    prompt_per_mille: u64,
    /// The newest compaction that was asked for.
    compaction: Revision,
    watches: Vec<Watch>,
    counts: WatchCounts,
}

/// One who watches.
#[derive(Debug)]
struct Watch {
    request: WatchRequest,
    /// It rests so long between two looks, at most.
    rest: Span,
    /// The first revision that it was not told of.
    next: Revision,
    /// Events of that revision that it has in pieces.
    pieces: usize,
    on: Option<On>,
}

/// The process that it watches.
#[derive(Debug)]
struct On {
    member: MemberId,
    life: u64,
    watcher: Watcher,
}

impl WatchCounts {
    /// Adds another life's.
    pub(crate) fn add(&mut self, other: WatchCounts) {
        self.events += other.events;
        self.begun += other.begun;
        self.compacted += other.compacted;
        self.progress += other.progress;
        self.fallen_behind += other.fallen_behind;
    }
}

impl Watching {
    pub(crate) fn new(seed: u64, plan: &Plan) -> Watching {
        let mut random = Random::new(seed ^ SALT);
        let watches = (0..random.below(4)).map(|_| Watch::draw(&mut random, plan)).collect();
        Watching {
            limits: WatchLimits {
                seat_batches_max: random.pick(&[1, 2, 16]),
                dispatch_events_max: random.pick(&[1, 2, 5, 256]),
                read_events_max: random.pick(&[1, 2, 5, 1_000]),
                piece_events_max: random.pick(&[1, 2, 1_000]),
            },
            compacts: random.chance(COMPACTING_PER_MILLE),
            prompt_per_mille: random.pick(&PROMPT_PER_MILLE),
            compaction: Revision(0),
            watches,
            counts: WatchCounts::default(),
            random,
        }
    }

    /// When each of them looks for the first time.
    pub(crate) fn first_looks(&mut self) -> Vec<(Span, Happening)> {
        let random = &mut self.random;
        let numbers = 0..self.watches.len();
        let look = |number| (Span(random.between(0, 200_000)), Happening::Watch(number));
        numbers.map(look).collect()
    }

    /// A process has begun.
    pub(crate) fn started(&self, dispatcher: &Dispatcher) {
        dispatcher.set_limits(self.limits);
    }

    /// A member's process ends, and all watches of it.
    pub(crate) fn ended(&mut self, id: MemberId, dispatcher: &Dispatcher) {
        self.counts.fallen_behind += dispatcher.counts().fallen_behind;
        for watch in &mut self.watches {
            watch.leave_if(|on| on.member == id);
        }
    }

    /// A member has published something: its dispatcher runs at once, or only later.
    pub(crate) fn published(&mut self, dispatcher: &Dispatcher) {
        if dispatcher.is_watched() && self.random.chance(self.prompt_per_mille) {
            while dispatcher.dispatch() {}
        }
    }

    pub(crate) fn counts(&self) -> WatchCounts {
        self.counts
    }
}

impl Watch {
    fn draw(random: &mut Random, plan: &Plan) -> Watch {
        let first = random.below(plan.keys);
        let last = random.between(first, plan.keys - 1);
        let range = match random.below(4) {
            0 => KeyRange::Single(key(first)),
            1 => KeyRange::Between { start: key(first), end: key(last + 1) },
            2 => KeyRange::From(key(first)),
            _ => KeyRange::Prefix(Bytes::from_static(b"k")),
        };
        let request = WatchRequest {
            prev_kv: random.coin(),
            in_pieces: random.coin(),
            needs_leader: random.coin(),
            ..WatchRequest::new(range)
        };
        let rest = Span::ms(random.pick(&[20, 100, 1_000, 4_000]));
        // From the beginning, or from a future that comes soon.
        let next = Revision(random.pick(&[2, 2, 10]));
        Watch { request, rest, next, pieces: 0, on: None }
    }

    /// Leaves its member if that holds. What was told of a revision only in part was not told.
    fn leave_if(&mut self, leaves: impl Fn(&On) -> bool) {
        if self.on.take_if(|on| leaves(on)).is_some() {
            self.pieces = 0;
        }
    }

    /// Begins to watch a process. Whether it does; else the member does not serve it.
    fn begin(
        &mut self,
        (member, life): (MemberId, u64),
        dispatcher: &Arc<Dispatcher>,
        model: &Model,
        counts: &mut WatchCounts,
    ) -> bool {
        let request = WatchRequest { from: Some(self.next), ..self.request.clone() };
        match dispatcher.watch(&request) {
            Ok(watcher) => {
                counts.begun += 1;
                self.on = Some(On { member, life, watcher });
                true
            }
            Err(WatchRefusal::Compacted { requested, compact_revision }) => {
                assert_eq!(requested, self.next, "watch: refused from another revision");
                self.compacted(requested, compact_revision, model);
                counts.compacted += 1;
                false
            }
            Err(WatchRefusal::Unserved(_)) => false,
            Err(other) => panic!("watch: {request:?} was refused: {other:?}"),
        }
    }

    /// It can not go on from where it was: what is in between it would read anew.
    fn compacted(&mut self, requested: Revision, compact_revision: Revision, model: &Model) {
        assert!(
            requested < compact_revision && compact_revision <= model.compacted(),
            "watch: {requested} is not compacted at {compact_revision}"
        );
        self.pieces = 0;
        self.next = self.next.max(compact_revision);
    }

    /// Takes a step. Whether another one may bring more at once.
    fn step(&mut self, model: &Model, counts: &mut WatchCounts) -> bool {
        let Some(on) = &mut self.on else { return false };
        let stepped = on.watcher.step(None);
        match stepped {
            Ok(Step::Batch(batch)) => {
                counts.events += batch.events.len() as u64;
                self.check(&batch, model);
                true
            }
            Ok(Step::Busy) => true,
            Ok(Step::Idle) => false,
            Err(WatchEnd::Compacted { requested, compact_revision }) => {
                self.on = None;
                self.compacted(requested, compact_revision, model);
                counts.compacted += 1;
                false
            }
            Err(WatchEnd::Unserved(_)) => {
                self.leave_if(|_| true);
                false
            }
        }
    }

    fn check(&mut self, batch: &Batch, model: &Model) {
        let (revision, next) = (batch.revision, self.next);
        assert!(revision <= model.revision(), "watch: {revision} is not committed");
        assert!(revision >= next, "watch: {revision} is told, and all before {next} was already");
        self.check_nothing(revision, model);
        let told = &batch.events;
        let all = model.touched(&self.request.range, revision);
        let from = if revision == next { self.pieces } else { 0 };
        let rest = all.get(from..).unwrap_or_default();
        assert!(!told.is_empty(), "watch: nothing is told of {revision}");
        assert!(
            rest.len() >= told.len() && (batch.goes_on || rest.len() == told.len()),
            "watch: of {revision} {} events are told, not {} of {}",
            told.len(),
            rest.len(),
            all.len()
        );
        assert!(!batch.goes_on || self.request.in_pieces, "watch: {revision} comes in pieces");
        for (event, expected) in told.iter().zip(rest) {
            self.check_event(event, expected, model.compacted());
        }
        (self.next, self.pieces) = match batch.goes_on {
            true => (revision, from + told.len()),
            false => (Revision(revision.0 + 1), 0),
        };
    }

    /// There is nothing to tell from where it is up to a revision, without it.
    fn check_nothing(&self, before: Revision, model: &Model) {
        for missing in self.next.0..before.0 {
            let touched = model.touched(&self.request.range, Revision(missing));
            assert!(touched.is_empty(), "watch: lost {missing}, {before} is next: {touched:?}");
        }
    }

    fn check_event(&self, event: &Event, expected: &Touched, compacted: Revision) {
        let Touched { key, now, before } = expected;
        let told = match &event.kind {
            EventKind::Put(live) => Some(live),
            EventKind::Delete { .. } => None,
        };
        assert_eq!((event.key(), told), (key, now.as_ref()), "watch: at {}", event.revision);
        let kept = event.revision > compacted;
        match (&event.prev, self.request.prev_kv) {
            (prev, true) if kept => assert_eq!(prev, before, "watch: before {}", event.revision),
            // It may be given up, and may be there yet.
            (Some(prev), true) => assert_eq!(Some(prev), before.as_ref(), "watch: long before"),
            (Some(_), false) => panic!("watch: what was before {} is told unasked", event.revision),
            (None, _) => {}
        }
    }

    /// Asks for progress; where that can be said, the watch goes on after it.
    fn ask_progress(&mut self, model: &Model, counts: &mut WatchCounts) {
        let Some(progress) = self.on.as_ref().and_then(|on| on.watcher.progress()) else { return };
        assert!(progress <= model.revision(), "watch: progress {progress} is not committed");
        assert_eq!(self.pieces, 0, "watch: progress {progress} within a revision");
        if progress >= self.next {
            self.check_nothing(progress.next(), model);
            self.next = progress.next();
        }
        counts.progress += 1;
    }
}

impl Life {
    /// One of those who watch looks for news, where it is or on another member.
    pub(crate) fn watch(&mut self, number: usize) {
        if self.healing.is_none() {
            self.compact();
        }
        let watching = &mut self.watching;
        let leaves = watching.random.chance(LEAVE_PER_MILLE);
        watching.watches[number].leave_if(|_| leaves);
        self.look(number);
        let watching = &mut self.watching;
        let rest = watching.watches[number].rest;
        let rest = Span(watching.random.between(rest.0 / 4, rest.0));
        self.queue.plan_in(rest, Happening::Watch(number));
    }

    fn look(&mut self, number: usize) {
        let Some(id) = self.watched_by(number) else { return };
        let (member, model) = (&self.members[&id], self.ledger.model());
        let Some(process) = member.process.as_ref().filter(|process| !process.paused) else {
            return;
        };
        let dispatcher = process.replica.dispatcher();
        let Watching { random, watches, counts, .. } = &mut self.watching;
        let (watch, place) = (&mut watches[number], (id, member.life));
        let begun = watch.on.is_some() || watch.begin(place, dispatcher, model, counts);
        if begun && random.chance(DISPATCH_PER_MILLE) {
            dispatcher.dispatch();
        }
        for _ in 0..random.between(1, STEPS_MAX) {
            if !watch.step(model, counts) {
                break;
            }
        }
        if random.coin() {
            watch.ask_progress(model, counts);
        }
    }

    /// The member that one of them watches, or is to watch.
    fn watched_by(&mut self, number: usize) -> Option<MemberId> {
        let on = self.watching.watches[number].on.as_ref();
        if let Some(on) = on {
            assert_eq!(on.life, self.members[&on.member].life, "watch: of a process that is gone");
            return Some(on.member);
        }
        let running: Vec<MemberId> =
            self.remaining().into_iter().filter(|&id| self.runs(id)).collect();
        (!running.is_empty()).then(|| self.watching.random.pick(&running))
    }

    /// Gives up the past before a revision, now and then.
    fn compact(&mut self) {
        let newest = self.ledger.model().revision();
        let watching = &mut self.watching;
        let from = watching.compaction.next().max(Revision(2));
        if !watching.compacts || from > newest || !watching.random.chance(COMPACT_PER_MILLE) {
            return;
        }
        let revision = Revision(watching.random.between(from.0, newest.0));
        watching.compaction = revision;
        let running: Vec<MemberId> =
            self.remaining().into_iter().filter(|&id| self.runs(id)).collect();
        if running.is_empty() {
            return;
        }
        let member = self.watching.random.pick(&running);
        let (ticket, timeout_ms) = (self.next_ticket(), self.plan.timers.election_timeout_ms);
        let asked =
            Asked::Write(Command::Compact { revision, cause: CompactionCause::Asked }.encode());
        self.ask(ticket, Asker::Once, member, asked, true, 4 * timeout_ms);
    }

    /// The life is over: nobody may lack anything that the member with the most has published.
    pub(crate) fn watches_end(&mut self) {
        for number in 0..self.watching.watches.len() {
            self.watch_to_the_end(number);
        }
        for process in self.members.values().filter_map(|member| member.process.as_ref()) {
            let counts = process.replica.dispatcher().counts();
            self.watching.counts.fallen_behind += counts.fallen_behind;
        }
    }

    fn watch_to_the_end(&mut self, number: usize) {
        let all = self.members.values().filter_map(|member| Some((member, newest_of(member)?)));
        let most = all.max_by_key(|(_, newest)| *newest);
        let (member, newest) = most.expect("somebody is well");
        let process = member.process.as_ref().expect("it shows its newest revision");
        let (dispatcher, model) = (process.replica.dispatcher(), self.ledger.model());
        let Watching { watches, counts, .. } = &mut self.watching;
        let watch = &mut watches[number];
        watch.leave_if(|_| true);
        // The last trial may just have cut it off from its leader.
        watch.request.needs_leader = false;
        let mut steps = 0;
        loop {
            while dispatcher.dispatch() {}
            let place = (member.id, member.life);
            let begun = watch.on.is_some() || watch.begin(place, dispatcher, model, counts);
            let may_go_on = begun && watch.step(model, counts);
            if begun && !may_go_on && watch.on.is_some() {
                break;
            }
            steps += 1;
            assert!(steps < LAST_STEPS_MAX, "watch: it never comes to the end on {}", member.id);
        }
        watch.check_nothing(newest.next(), model);
        let told = watch.on.as_ref().and_then(|on| on.watcher.progress());
        let is_future = watch.next > newest.next();
        assert!(is_future || told == Some(newest), "watch: {newest} is the end, not {told:?}");
    }
}

/// The newest revision that a member shows, if it runs.
fn newest_of(member: &Member) -> Option<Revision> {
    let process = member.process.as_ref()?;
    Some(process.replica.reader().published().revision)
}

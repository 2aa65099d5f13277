//! What is known of the cluster: built of what is heard, bounded, and without a clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use client::{ClusterState, Envelope, Event, Happened, Heard, Hello, MemberState};

use super::recall::Recall;
use super::series::Series;

/// So many events of each kind of interest are kept; the oldest go.
const EVENTS_MAX: usize = 500;
/// Members that are gone are forgotten once there are more than this.
pub(super) const MEMBERS_MAX: usize = 64;
/// A longer name is cut.
const NAME_CHARS_MAX: usize = 24;

/// Which events are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Filter {
    All,
    /// Those that tell of a change of who leads, who is there, what is wrong.
    #[default]
    Rare,
    Keys,
    Messages,
}

impl Filter {
    pub(super) fn next(self) -> Filter {
        match self {
            Filter::All => Filter::Rare,
            Filter::Rare => Filter::Keys,
            Filter::Keys => Filter::Messages,
            Filter::Messages => Filter::All,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Filter::All => "all",
            Filter::Rare => "rare",
            Filter::Keys => "keys",
            Filter::Messages => "messages",
        }
    }

    pub(super) fn shows(self, happened: &Happened) -> bool {
        match self {
            Filter::All => !matches!(happened, Happened::Hello(_) | Happened::State(_)),
            Filter::Rare => happened.is_rare(),
            Filter::Keys => matches!(happened, Happened::Key(_)),
            Filter::Messages => matches!(happened, Happened::Message(_)),
        }
    }
}

/// Who is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// Nobody; why the last one is not.
    Looking(String),
    /// The member that is reached here.
    From(String),
}

/// What is known.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) link: Link,
    pub(super) hello: Hello,
    recall: Recall,
    /// None before the first one is told.
    pub(super) state: Option<ClusterState>,
    /// Writes a second: of all members, and of each by its id.
    pub(super) writes: Series,
    pub(super) writes_of: BTreeMap<String, Series>,
    /// So many events were left out.
    pub(super) lost: u64,
    /// Newest first: of all kinds, and of each filter for itself, so that what happens often does
    /// not drive out what happens seldom.
    all: VecDeque<Arc<Event>>,
    rare: VecDeque<Arc<Event>>,
    keys: VecDeque<Arc<Event>>,
    messages: VecDeque<Arc<Event>>,
}

impl Model {
    pub(super) fn new() -> Model {
        Model {
            link: Link::Looking("no member has answered yet".to_owned()),
            hello: Hello::default(),
            recall: Recall::default(),
            state: None,
            writes: Series::default(),
            writes_of: BTreeMap::new(),
            lost: 0,
            all: VecDeque::new(),
            rare: VecDeque::new(),
            keys: VecDeque::new(),
            messages: VecDeque::new(),
        }
    }

    /// Takes what was heard.
    pub(super) fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::From(endpoint) => {
                self.recall.change_teller();
                self.link = Link::From(endpoint.address().to_owned());
            }
            Heard::Lost { endpoint, reason } => self.lose(&format!("{endpoint}: {reason}")),
            Heard::Envelope(Envelope { lost, events }) => {
                self.lost = self.lost.saturating_add(lost);
                events.into_iter().for_each(|event| self.take(event));
            }
        }
    }

    /// Nobody tells for now.
    pub(super) fn lose(&mut self, reason: &str) {
        self.link = Link::Looking(reason.to_owned());
    }

    fn take(&mut self, event: Event) {
        match event.happened {
            Happened::Hello(hello) => self.hello = hello,
            Happened::State(state) => self.take_state(event.t_us, state),
            _ => self.keep(event),
        }
    }

    fn take_state(&mut self, t_us: u64, mut state: ClusterState) {
        self.recall.complete(t_us, &mut state);
        state.members.sort_by(|one, other| one.name.cmp(&other.name));
        let writes = |member: &MemberState| {
            let rates = member.rates.filter(|_| member.is_reached());
            rates.map_or(0, |rates| rates.writes)
        };
        let all = state.members.iter().map(writes).fold(0, u64::saturating_add);
        self.writes.set(t_us, all);
        if self.writes_of.len() > MEMBERS_MAX {
            self.writes_of.clear();
        }
        for member in state.members.iter().take(MEMBERS_MAX) {
            self.writes_of.entry(member.id.clone()).or_default().set(t_us, writes(member));
        }
        self.state = Some(state);
    }

    fn keep(&mut self, event: Event) {
        let event = Arc::new(event);
        for filter in [Filter::All, Filter::Rare, Filter::Keys, Filter::Messages] {
            if filter.shows(&event.happened) {
                let kept = self.kept_mut(filter);
                kept.push_front(Arc::clone(&event));
                kept.truncate(EVENTS_MAX);
            }
        }
    }

    fn kept_mut(&mut self, filter: Filter) -> &mut VecDeque<Arc<Event>> {
        match filter {
            Filter::All => &mut self.all,
            Filter::Rare => &mut self.rare,
            Filter::Keys => &mut self.keys,
            Filter::Messages => &mut self.messages,
        }
    }

    /// The kept events that a filter shows, newest first.
    pub(super) fn events(&self, filter: Filter) -> &VecDeque<Arc<Event>> {
        match filter {
            Filter::All => &self.all,
            Filter::Rare => &self.rare,
            Filter::Keys => &self.keys,
            Filter::Messages => &self.messages,
        }
    }

    pub(super) fn members(&self) -> &[MemberState] {
        self.state.as_ref().map_or(&[], |state| &state.members)
    }

    /// The member that leads, if it is known and reached.
    pub(super) fn leader(&self) -> Option<&MemberState> {
        let id = self.state.as_ref()?.leader.as_ref()?;
        self.members().iter().find(|member| member.id == *id && member.is_reached())
    }

    /// What people call a member; its id if it has no name.
    pub(super) fn name(&self, id: &str) -> String {
        let member = self.members().iter().find(|member| member.id == id);
        let name = member.map(|member| member.name.as_str()).filter(|name| !name.is_empty());
        name.unwrap_or(id).chars().take(NAME_CHARS_MAX).collect()
    }

    /// How many entries of the leader's log are not on a member's disk, as far as they know.
    pub(super) fn lag(&self, member: &MemberState) -> Option<u64> {
        let leader = self.leader()?;
        let last = leader.log?.last_index;
        if member.id == leader.id {
            return Some(0);
        }
        // A new leader has no word yet of one that it does not reach.
        let matched = member.matched.filter(|_| member.is_reached());
        Some(last.saturating_sub(matched.or(member.log.map(|log| log.durable))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::{away, cluster, envelope, event, hear_state, member};

    #[test]
    fn often_does_not_drive_out_seldom() {
        let mut model = Model::new();
        model.hear(envelope(vec![event(1, Happened::Started)]));
        for t_us in 0..10_000 {
            model.hear(envelope(vec![event(t_us, Happened::Committed { index: t_us })]));
        }
        let kept = |filter| model.events(filter).len();
        assert_eq!((kept(Filter::All), kept(Filter::Rare)), (EVENTS_MAX, 1));
        assert_eq!(model.events(Filter::All)[0].t_us, 9_999);
    }

    #[test]
    fn each_filter_shows_its_own() {
        let mut filter = Filter::All;
        let happened = [Happened::Ended, Happened::Key(Default::default())];
        let mut shown = Vec::new();
        for _ in 0..4 {
            shown.push(happened.each_ref().map(|happened| filter.shows(happened)));
            filter = filter.next();
        }
        assert_eq!(shown, [[true, true], [true, false], [false, true], [false, false]]);
        assert_eq!(filter, Filter::All);
    }

    #[test]
    fn lag_is_what_the_leader_has_and_the_disk_has_not() {
        let mut model = Model::new();
        let mut behind = member(2);
        behind.matched = Some(30);
        let by_its_own_word = MemberState { matched: None, ..member(3) };
        let members = vec![member(1), behind, by_its_own_word];
        hear_state(&mut model, ClusterState { members, ..cluster() });
        let lags: Vec<_> = model.members().iter().map(|member| model.lag(member)).collect();
        assert_eq!(lags, [Some(0), Some(12), Some(2)]);
    }

    #[test]
    fn the_lag_of_a_member_that_is_away_is_what_it_was_heard_to_have() {
        let mut model = Model::new();
        let away = MemberState { matched: Some(0), ..away(2) };
        let unknown = MemberState { log: None, ..away.clone() };
        let members = vec![member(1), away, unknown];
        hear_state(&mut model, ClusterState { members, ..cluster() });
        let lags: Vec<_> = model.members().iter().map(|member| model.lag(member)).collect();
        assert_eq!(lags, [Some(0), Some(2), None]);
    }

    #[test]
    fn without_a_leader_that_is_heard_there_is_no_lag() {
        let mut model = Model::new();
        let members = vec![away(1), member(2), member(3)];
        hear_state(&mut model, ClusterState { members, ..cluster() });
        assert_eq!(model.lag(&model.members()[1]), None);
    }

    #[test]
    fn writes_of_all_reached_members_are_one_series() {
        let mut model = Model::new();
        hear_state(&mut model, ClusterState { members: vec![member(1), away(2)], ..cluster() });
        assert_eq!(model.writes.newest(1), [100]);
        assert_eq!(model.writes_of["2"].newest(1), [0]);
    }

    #[test]
    fn whoever_has_no_name_is_called_by_its_id() {
        let mut model = Model::new();
        hear_state(&mut model, cluster());
        assert_eq!((model.name("2"), model.name("77")), ("node-2".to_owned(), "77".to_owned()));
    }
}

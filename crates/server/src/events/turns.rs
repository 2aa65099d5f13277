//! The task of a feed: ten times a second it picks up what has happened and hands it out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use raft::MemberId;
use tokio::time::{MissedTickBehavior, interval};

use super::cluster_state::{ClusterState, Known};
use super::envelope::{Envelope, Told};
use super::event::Event;
use super::feed::{Audience, Outlets};
use super::id::Id;
use super::keys::{KeyEvent, Keys, Moment};
use super::line::{Line, written};
use super::member_state::MemberState;
use super::rates::RateMeter;
use super::relay::Relay;
use super::sight::Sight;
use super::window::Window;
use crate::http::shows_a_state;
use crate::node::{Node, NodeStatus};

/// From one envelope to the next.
pub(crate) const TURN: Duration = Duration::from_millis(100);

/// The cluster's state is told at least every so many turns, and after what is rare.
const STATE_TURNS: u32 = 2;

/// Serves whoever looks, until nobody does.
pub(super) async fn serve(node: &Node) {
    let mut turns = interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut course = Course::default();
    loop {
        turns.tick().await;
        let Some((audience, outlets)) = node.feed().turn() else { break };
        course.turn(node, audience, &outlets).await;
    }
}

/// What one turn leaves to the next.
#[derive(Debug, Default)]
struct Course {
    window: Window,
    relay: Relay,
    keys: Keys,
    meter: RateMeter,
    /// How this member stood when it was seen last.
    own: Option<MemberState>,
    /// Since the cluster's state was told.
    quiet_turns: u32,
    /// Those who look have been told how the cluster stands.
    introduced: bool,
    /// Events that were told to other members, or left out.
    line_number: u64,
}

impl Course {
    async fn turn(&mut self, node: &Node, audience: Audience, outlets: &Outlets) {
        node.feed().desk().take(&mut self.window).await;
        let status = node.status();
        let rates = self.meter.rates(Instant::now(), node.answered().counts());
        let sight = self.window.sight.take();
        let own = sight.as_ref().map(|sight| MemberState::of(sight, &status, rates));
        let matched = sight.as_ref().map(matched).unwrap_or_default();
        let state_due = self.quiet_turns == 0 || self.window.events.iter().any(Event::is_rare);
        self.quiet_turns = if state_due { 1 } else { (self.quiet_turns + 1) % STATE_TURNS };
        if audience.listeners > 0 {
            let state = own.clone().filter(|_| state_due);
            self.tell_members(node, state, matched.clone(), outlets);
        }
        match audience.readers {
            0 => self.stop_telling(node),
            _ => self.tell_readers(node, &status, (sight, own, matched), state_due),
        }
    }

    fn stop_telling(&mut self, node: &Node) {
        self.relay.stop();
        self.keys.skip();
        self.own = None;
        if std::mem::take(&mut self.introduced) {
            node.feed().show(None);
        }
    }

    fn tell_members(
        &mut self,
        node: &Node,
        state: Option<MemberState>,
        matched: Vec<(Id, u64)>,
        outlets: &Outlets,
    ) {
        if state.is_none() && self.window.events.is_empty() {
            return;
        }
        let now_us = node.feed().desk().clock.now_us();
        let events = self.window.events.clone();
        let told = events.len() as u64;
        self.line_number += self.window.lost;
        let line = Line { now_us, number: self.line_number, events, told, state, matched };
        self.line_number += told;
        // Nobody may be there any more.
        let _ = outlets.lines.send(Bytes::from(written(&line)));
    }

    fn tell_readers(
        &mut self,
        node: &Node,
        status: &NodeStatus,
        (sight, own, matched): (Option<Sight>, Option<MemberState>, Vec<(Id, u64)>),
        state_due: bool,
    ) {
        let desk = node.feed().desk();
        match &status.configuration {
            Some(cluster) => self.relay.follow(cluster, &status.about, desk),
            None => self.relay.stop(),
        }
        // A turn of the replica may take longer than one of ours.
        self.own = own.or(self.own.take());
        let own = self.own.clone();
        let keys = self.keys_told(node, status, sight.as_ref());
        let own_events = self.window.events.len();
        let mut events = std::mem::take(&mut self.window.events);
        let lost = self.relay.take(&mut events).saturating_add(self.window.lost);
        let heard_rare = events[own_events..].iter().any(Event::is_rare);
        let mut told: Vec<Told> = events.iter().map(Told::of).collect();
        told.extend(keys.into_iter().map(Told::of_key));
        let is_first = !std::mem::replace(&mut self.introduced, true);
        if state_due || heard_rare || is_first {
            let heard = |id: MemberId| self.relay.standing(id);
            let times = events.iter().map(|event| event.t_us);
            let now_us = desk.clock.now_us();
            // All that is told here has happened by then; but what is told first is how it stands.
            let t_us = match is_first {
                true => times.min().unwrap_or(now_us),
                false => times.max().unwrap_or(now_us).max(now_us),
            };
            let state = ClusterState::of(t_us, status, &Known { own, matched, heard }).text();
            node.feed().show(Some(Arc::from(state.as_str())));
            let place = if is_first { 0 } else { told.len() };
            told.insert(place, Told::of_state(t_us, state));
        }
        self.window.events = events;
        if told.is_empty() && lost == 0 {
            return;
        }
        node.feed().hand_out(Envelope::new(node.feed().number(), told, lost));
    }

    /// What became of keys. A member that has not caught up since it started tells of none: it may
    /// not know yet who may see them.
    fn keys_told(
        &mut self,
        node: &Node,
        status: &NodeStatus,
        sight: Option<&Sight>,
    ) -> Vec<KeyEvent> {
        self.keys.note(&self.window);
        let Some(sight) = sight else { return Vec::new() };
        if !shows_a_state(status) || node.store_age().is_none() {
            self.keys.skip();
            return Vec::new();
        }
        let moment = Moment {
            member: Id(status.about.id),
            now_us: node.feed().desk().clock.now_us(),
            age_ms: node.age_ms(),
            revision: sight.status.published.revision.0,
        };
        self.keys.take(node.store(), &moment)
    }
}

/// What a leader knows to be on disks, its own among them.
fn matched(sight: &Sight) -> Vec<(Id, u64)> {
    let status = &sight.status;
    if status.role != raft::RoleName::Leader {
        return Vec::new();
    }
    let followers = status.peers.iter().map(|peer| (Id(peer.id), peer.matched.0));
    [(Id(status.id), status.durable)].into_iter().chain(followers).collect()
}

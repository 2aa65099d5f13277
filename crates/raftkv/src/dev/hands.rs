//! What is done by hand, and by what means: signals, the links, the cluster's own API.

use std::fmt;
use std::time::Duration;

use client::{Error, Options};

use super::action::{Action, Refused, between, complete, unknown};
use super::cluster::{Cluster, Seat};
use super::ports;

/// A change of the members takes so long at most.
const CHANGE_PATIENCE: Duration = Duration::from_secs(10);

impl Cluster {
    /// Does it; answers what was done, in words.
    pub(super) async fn act(&self, action: Action) -> Result<String, Refused> {
        match action {
            Action::Crash { member } => self.crash(&member).await,
            Action::Restart { member } => self.restart(&member).await,
            Action::Pause { member } => self.pause(&member),
            Action::Resume { member } => self.resume(&member).await,
            Action::Isolate { member } => self.isolate(&member),
            Action::Split { groups } => self.split(&groups),
            Action::Link(link) => {
                self.position(&link.from)?;
                self.position(&link.to)?;
                self.check_links()?;
                self.links.set(link.links(), link.fault());
                Ok(link.to_string())
            }
            Action::Heal {} => Ok(self.heal().await),
            Action::Add {} => self.add().await,
            Action::Remove { member } => self.remove(&member).await,
            Action::Load { on: true, per_second } => {
                let per_second = per_second.unwrap_or(1);
                self.load.turn_on(&self.client(), per_second);
                Ok(format!("load: {per_second} writes a second"))
            }
            Action::Load { on: false, .. } => {
                self.load.turn_off();
                let counts = self.load.view();
                let (done, failed, unknown) = (counts.done, counts.failed, counts.unknown);
                Ok(format!("load: off; {done} done, {failed} failed, {unknown} unknown so far"))
            }
        }
    }

    async fn crash(&self, name: &str) -> Result<String, Refused> {
        let _turn = self.processes.lock().await;
        let child = self.seat(name, |seat| {
            seat.crashed |= seat.child.is_some();
            seat.child.take().ok_or_else(|| not_running(name))
        })??;
        child.kill().await.map_err(|error| failed(&error))?;
        Ok(format!("{name}: killed by hand"))
    }

    async fn restart(&self, name: &str) -> Result<String, Refused> {
        let _turn = self.processes.lock().await;
        let mut members = self.members.lock();
        let position = members.position(name).ok_or_else(|| unknown(name))?;
        if members.seats[position].child.is_some() {
            return Err(Refused::new(409, "running", format!("{name} runs: crash it first")));
        }
        members.start(position).map_err(|error| failed(&error))?;
        Ok(format!("{name}: started again by hand"))
    }

    fn pause(&self, name: &str) -> Result<String, Refused> {
        self.seat(name, |seat| {
            let child = seat.child.as_mut().ok_or_else(|| not_running(name))?;
            child.pause().map_err(|error| failed(&error))?;
            Ok(format!("{name}: paused by hand"))
        })?
    }

    async fn resume(&self, name: &str) -> Result<String, Refused> {
        let pause = self.seat(name, |seat| {
            let child = seat.child.as_mut().ok_or_else(|| not_running(name))?;
            Ok(child.take_pause())
        })??;
        if let Some(pause) = pause {
            pause.end().await;
        }
        Ok(format!("{name}: goes on"))
    }

    fn isolate(&self, name: &str) -> Result<String, Refused> {
        self.position(name)?;
        self.check_links()?;
        let everybody = self.members.lock().names();
        self.links.cut(between(&[name.to_owned()], &everybody), true);
        Ok(format!("{name}: cut off from all others by hand"))
    }

    fn split(&self, groups: &[Vec<String>]) -> Result<String, Refused> {
        let everybody = self.members.lock().names();
        let groups = complete(groups, &everybody)?;
        self.check_links()?;
        self.links.cut(between(&everybody, &everybody), true);
        for group in &groups {
            self.links.cut(between(group, group), false);
        }
        let shown: Vec<String> = groups.iter().map(|group| group.join(", ")).collect();
        Ok(format!("split by hand: {}", shown.join(" | ")))
    }

    async fn heal(&self) -> String {
        self.links.heal();
        let pauses: Vec<_> = {
            let mut members = self.members.lock();
            let children = members.seats.iter_mut().filter_map(|seat| seat.child.as_mut());
            children.filter_map(super::child::Child::take_pause).collect()
        };
        for pause in pauses {
            pause.end().await;
        }
        "healed by hand: all links are well, nobody stands still".to_owned()
    }

    async fn add(&self) -> Result<String, Refused> {
        let _turn = self.changing.try_lock().map_err(|_| busy())?;
        let added = self.members.lock().plan.add(ports::is_free);
        let member =
            added.map_err(|no_more| Refused::new(409, no_more.code(), no_more.to_string()))?;
        let (name, number, url) = (member.name.clone(), member.number, member.endpoint());
        let started = match Seat::open(member, &self.links).await {
            Ok(seat) => {
                let mut members = self.members.lock();
                members.seats.push(seat);
                let position = members.seats.len() - 1;
                members.start(position)
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = started.and_then(|()| self.save()) {
            self.forget(number);
            return Err(failed(&failure));
        }
        Ok(format!("{name}: added by hand, joins at {url}"))
    }

    async fn remove(&self, name: &str) -> Result<String, Refused> {
        let _turn = self.changing.try_lock().map_err(|_| busy())?;
        let number = self.seat(name, |seat| seat.member.number)?;
        let client = self.client();
        // So that the change goes to the leader first; without one it says why it can not be made.
        let _ = client.leader().await;
        let client =
            client.with_options(Options { timeout: CHANGE_PATIENCE, ..Options::default() });
        match client.remove_member(name).await {
            Ok(_) => {}
            // It has not joined yet, or somebody else was faster.
            Err(error) if error.code() == Some("unknown_member") => {}
            Err(error) => return Err(not_changed(&error)),
        }
        let _processes = self.processes.lock().await;
        let child = self.forget(number).and_then(|mut seat| seat.child.take());
        if let Some(child) = child {
            child.kill().await.map_err(|error| failed(&error))?;
        }
        self.save().map_err(|failure| failed(&failure))?;
        Ok(format!("{name}: removed from the cluster by hand"))
    }

    /// A member is none any more; its process is the caller's to end.
    fn forget(&self, number: u16) -> Option<Seat> {
        let mut members = self.members.lock();
        members.plan.remove(number);
        let position = members.seats.iter().position(|seat| seat.member.number == number)?;
        let seat = members.seats.remove(position);
        self.links.forget(&seat.member.name);
        Some(seat)
    }

    fn position(&self, name: &str) -> Result<usize, Refused> {
        self.members.lock().position(name).ok_or_else(|| unknown(name))
    }

    /// Does something with a member's seat.
    fn seat<T>(&self, name: &str, act: impl FnOnce(&mut Seat) -> T) -> Result<T, Refused> {
        let mut members = self.members.lock();
        let position = members.position(name).ok_or_else(|| unknown(name))?;
        Ok(act(&mut members.seats[position]))
    }

    fn check_links(&self) -> Result<(), Refused> {
        match self.members.lock().plan.saved().has_links() {
            true => Ok(()),
            false => {
                let message = "this cluster was made by an earlier version, whose links can not be \
                               broken: begin anew with --fresh, or use another --data-dir";
                Err(Refused::new(409, "no_links", message))
            }
        }
    }
}

fn not_running(name: &str) -> Refused {
    Refused::new(409, "not_running", format!("{name} does not run: restart it first"))
}

fn busy() -> Refused {
    let message = "another change of the members is under way: wait for its answer";
    Refused::new(409, "change_in_progress", message)
}

/// This machine does not let it happen.
fn failed(error: &dyn fmt::Display) -> Refused {
    Refused::new(409, "failed", error.to_string())
}

/// The cluster does not let it happen.
fn not_changed(error: &Error) -> Refused {
    match error {
        Error::Refused { code, message, .. } => Refused::new(409, code, message.as_str()),
        Error::Unknown { .. } => Refused::new(409, "outcome_unknown", error.to_string()),
        error => {
            let message = format!("{error}: a change of the members needs a majority that works");
            Refused::new(409, error.code().unwrap_or("unavailable"), message)
        }
    }
}

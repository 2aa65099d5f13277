//! The one place that says who may do what.

use bytes::Bytes;

use super::role::Reach;
use super::{Auth, AuthChange, AuthRefused, Principal, ROOT, Role, User};
use crate::command::{Command, CompactionCause, Put, PutLifetime, Txn, TxnOp};
use crate::key_range::KeyRange;
use crate::lease::{Lease, Leases};
use crate::record::Record;
use crate::settings::SettingsChange;

/// What somebody wants.
#[derive(Clone, Copy, Debug)]
pub enum Need<'a> {
    /// Anything that every user may.
    Known,
    /// What only root may.
    Root,
    /// To read these keys, or to watch them.
    Read(&'a KeyRange),
    /// To read what a transaction reads and compares.
    ReadTxn(&'a Txn),
    /// To be told the keys of a lease.
    KeysOf(&'a Lease),
    /// To be told of this user.
    User(&'a str),
    /// To be told of this role.
    Role(&'a str),
    /// To have a command done.
    Change(&'a Command),
}

impl Auth {
    /// Whether somebody may do something; `who` is none for one who showed nothing.
    pub(crate) fn check(
        &self,
        who: Option<&Principal>,
        need: Need<'_>,
        leases: &Leases,
    ) -> Result<(), AuthRefused> {
        if !self.enabled || (who.is_none() && need.is_the_clusters_own()) {
            return Ok(());
        }
        if let Need::Change(Command::Auth(AuthChange::LogIn { .. })) = need {
            // What was shown is looked at there.
            return Ok(());
        }
        let who = who.ok_or(AuthRefused::NoUser)?;
        if !self.holds(who) {
            return Err(AuthRefused::StaleCredentials);
        }
        let user = self.users.get(&who.user).ok_or(AuthRefused::StaleCredentials)?;
        if user.roles.contains(ROOT) {
            return Ok(());
        }
        Rights { auth: self, user, leases }.check(who, need)
    }
}

impl Need<'_> {
    /// What members propose for themselves, on nobody's behalf.
    fn is_the_clusters_own(&self) -> bool {
        let Need::Change(command) = self else { return false };
        match command {
            Command::Expire { .. } | Command::Check => true,
            Command::Compact { cause, .. } => *cause != CompactionCause::Asked,
            Command::ChangeSettings(SettingsChange { seed, .. }) => *seed,
            _ => false,
        }
    }
}

/// What one user may do who is not root.
struct Rights<'a> {
    auth: &'a Auth,
    user: &'a User,
    leases: &'a Leases,
}

impl Rights<'_> {
    fn check(&self, who: &Principal, need: Need<'_>) -> Result<(), AuthRefused> {
        match need {
            Need::Known => Ok(()),
            Need::Root => Err(AuthRefused::Denied),
            Need::Read(range) => self.read(range),
            Need::ReadTxn(txn) => self.txn(txn),
            Need::KeysOf(lease) => permitted(self.holds_all(lease, Role::readable_from)),
            Need::User(name) => permitted(*name == *who.user),
            Need::Role(name) => permitted(self.user.roles.contains(name)),
            Need::Change(command) => self.change(command),
        }
    }

    fn change(&self, command: &Command) -> Result<(), AuthRefused> {
        match command {
            Command::Put { put, condition } => {
                // Whoever is told that it does not hold is told what the key is.
                if condition.is_some() {
                    self.read(&KeyRange::Single(put.key.clone()))?;
                }
                self.put(put)
            }
            Command::Delete { range, prev_kv, condition } => {
                self.delete(range, *prev_kv || condition.is_some())
            }
            Command::DeleteRecord { record } => match Record::named(record) {
                Some(record) => self.write(&record.range()),
                None => Err(AuthRefused::Denied),
            },
            Command::Txn(txn) => self.txn(txn),
            Command::LeaseGrant { .. } | Command::OpenSession | Command::CloseSession { .. } => {
                Ok(())
            }
            Command::LeaseRevoke { lease } => match self.leases.get(*lease) {
                Some(lease) => permitted(self.holds_all(lease, Role::writable_from)),
                None => Ok(()),
            },
            Command::Once { command, .. } => self.change(command),
            // The token is shown with it, so it is their own.
            Command::Auth(AuthChange::LogOut { .. }) => Ok(()),
            Command::Compact { .. }
            | Command::Expire { .. }
            | Command::Check
            | Command::ChangeSettings(_)
            | Command::Auth(_)
            | Command::As { .. } => Err(AuthRefused::Denied),
        }
    }

    fn put(&self, put: &Put) -> Result<(), AuthRefused> {
        let key = KeyRange::Single(put.key.clone());
        self.write(&key)?;
        if put.prev_kv {
            self.read(&key)?;
        }
        // Whoever attaches a key to a lease could end it, with what it holds already.
        match put.lifetime {
            PutLifetime::Lease(lease) => match self.leases.get(lease) {
                Some(lease) => permitted(self.holds_all(lease, Role::writable_from)),
                None => Ok(()),
            },
            PutLifetime::Unbounded | PutLifetime::TtlMs(_) | PutLifetime::AsBefore => Ok(()),
        }
    }

    fn delete(&self, range: &KeyRange, tells: bool) -> Result<(), AuthRefused> {
        self.write(range)?;
        if tells { self.read(range) } else { Ok(()) }
    }

    /// Both branches: which one is taken is nobody's to choose.
    fn txn(&self, txn: &Txn) -> Result<(), AuthRefused> {
        txn.compares.iter().try_for_each(|compare| self.read(&compare.range))?;
        txn.success.iter().chain(&txn.failure).try_for_each(|op| match op {
            TxnOp::Put(put) => self.put(put),
            TxnOp::Delete { range, prev_kv } => self.delete(range, *prev_kv),
            TxnOp::Range(request) => self.read(&request.range),
            TxnOp::Txn(txn) => self.txn(txn),
        })
    }

    fn read(&self, range: &KeyRange) -> Result<(), AuthRefused> {
        permitted(self.covers(range, Role::readable_from))
    }

    fn write(&self, range: &KeyRange) -> Result<(), AuthRefused> {
        permitted(self.covers(range, Role::writable_from))
    }

    /// Whether the user's roles, together, hold every key of the range.
    fn covers(&self, range: &KeyRange, reach: ReachOf) -> bool {
        let span = range.span();
        // No key is empty: the first there could be is this one, and "all keys" are from either on.
        let first = Bytes::from_static(&[0]);
        let mut key = if span.start.is_empty() { first } else { span.start.clone() };
        loop {
            match (self.reach(&key, reach), span.end()) {
                (None, _) => return false,
                (Some(Reach::End), _) => return true,
                (Some(Reach::To(to)), Some(end)) if *end <= *to => return true,
                (Some(Reach::To(to)), _) => key = to,
            }
        }
    }

    /// Whether the user's roles hold every key that is attached to the lease. Costs as much as they
    /// have ranges, not as the lease has keys.
    fn holds_all(&self, lease: &Lease, reach: ReachOf) -> bool {
        let mut next = lease.first_key_from(&[]).cloned();
        while let Some(key) = next {
            match self.reach(&key, reach) {
                None => return false,
                Some(Reach::End) => return true,
                Some(Reach::To(to)) => next = lease.first_key_from(&to).cloned(),
            }
        }
        true
    }

    /// How far from `key` on the furthest of the roles goes.
    fn reach(&self, key: &Bytes, reach: ReachOf) -> Option<Reach> {
        let roles = self.user.roles.iter().filter_map(|name| self.auth.role(name));
        roles.filter_map(|role| reach(role, key)).reduce(Reach::further)
    }
}

type ReachOf = fn(&Role, &[u8]) -> Option<Reach>;

fn permitted(is: bool) -> Result<(), AuthRefused> {
    if is { Ok(()) } else { Err(AuthRefused::Denied) }
}

//! One request's way to the member: whose it is, and what they may have of it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use replica::{Failure, LeaseAsk, LeaseStanding};
use store::{AuthRefused, Command, LeaseId, Need, Principal, Reader};

use super::passwords::Busy;
use super::{Access, Shown};
use crate::node::{Node, WriteOptions, Written};

/// For how long a member that knows of no such user or permission tries to catch up.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// There is no such token, or it is over.
    WrongToken,
    /// The user is not there, has no password, or has another one.
    WrongPassword,
    /// Too many passwords are being looked at.
    Busy,
}

/// Why a write was not done, or may not have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDone {
    /// They may not have it done.
    Refused(AuthRefused),
    /// The member could not.
    Failed(Failure),
}

/// A request by somebody, or by nobody while authentication is off or where it showed nothing.
#[derive(Clone)]
pub(crate) struct Visit {
    node: Node,
    who: Option<Principal>,
    shown: Shown,
}

impl Visit {
    /// Finds out who shows this.
    pub(crate) async fn of(node: &Node, shown: Shown) -> Result<Visit, Unknown> {
        let visit = |who| Visit { node: node.clone(), who, shown: shown.clone() };
        if shown == Shown::Nothing {
            return Ok(visit(None));
        }
        let found = node.access().identify(node, &shown).await;
        let Err(unknown @ (Unknown::WrongToken | Unknown::WrongPassword)) = found else {
            return found.map(visit);
        };
        // Perhaps the others know. If they can not be asked, what is known here counts.
        let known = node.store().auth().revision();
        let caught_up = node.read_barrier(CATCH_UP_TIMEOUT).await.is_ok();
        let is_worth_it = unknown == Unknown::WrongToken || node.store().auth().revision() > known;
        if caught_up && is_worth_it {
            return node.access().identify(node, &shown).await.map(visit);
        }
        Err(unknown)
    }

    /// The member's state, and what everybody may see.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// What it showed, for another member to see.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        self.shown.header()
    }

    /// Whose it is.
    pub(crate) fn user(&self) -> Option<&str> {
        self.who.as_ref().map(|who| &*who.user)
    }

    /// Whether they may have this, by what is known here now.
    pub(crate) fn may(&self, need: Need<'_>) -> Result<(), AuthRefused> {
        self.node.store().check(self.who.as_ref(), need)
    }

    /// Whether they may have this, by all that was acknowledged before.
    pub(crate) async fn permit(&self, need: Need<'_>) -> Result<(), AuthRefused> {
        let Err(refused) = self.may(need) else { return Ok(()) };
        match self.node.read_barrier(CATCH_UP_TIMEOUT).await {
            Ok(_) => self.may(need),
            Err(_) => Err(refused),
        }
    }

    /// What the member has applied, for whoever may read this of it. Whether it is new enough is
    /// for the caller to see to, before.
    pub(crate) fn reader(&self, need: Need<'_>) -> Result<&Reader, AuthRefused> {
        self.may(need)?;
        Ok(self.node.store())
    }

    /// Has `command` applied on their behalf. The command must have passed `Command::validate`.
    pub(crate) async fn write(
        &self,
        command: Command,
        options: WriteOptions,
    ) -> Result<Written, NotDone> {
        // The log is asked to do nothing that is refused anyway; what it is asked it checks again.
        self.permit(Need::Change(&command)).await.map_err(NotDone::Refused)?;
        let command = match self.who.clone() {
            Some(principal) => Command::As { principal, command: Box::new(command) },
            None => command,
        };
        self.node.write(command, options).await.map_err(NotDone::Failed)
    }

    /// Asks the leader about a lease, as any user may. Its keys are another matter.
    pub(crate) async fn lease(
        &self,
        lease: LeaseId,
        ask: LeaseAsk,
        options: WriteOptions,
    ) -> Result<Option<LeaseStanding>, NotDone> {
        self.permit(Need::Known).await.map_err(NotDone::Refused)?;
        self.node.lease(lease, ask, options).await.map_err(NotDone::Failed)
    }
}

impl Access {
    pub(crate) fn new() -> Access {
        Access { basics: super::basics::Basics::new(), ..Access::default() }
    }

    /// What is made of a password, for the log to keep.
    pub(crate) async fn hash(&self, password: &str) -> Result<Arc<str>, Unknown> {
        self.passwords.hash(password).await.map_err(|Busy| Unknown::Busy)
    }

    /// Whose this is by what is known here; nobody's while authentication is off.
    async fn identify(&self, node: &Node, shown: &Shown) -> Result<Option<Principal>, Unknown> {
        let auth = node.store().auth();
        if !auth.is_enabled() {
            return Ok(None);
        }
        match shown {
            Shown::Nothing => Ok(None),
            Shown::Token(token) => {
                let holder = self.tokens.holder(token, &auth, node.age_ms());
                holder.map(Some).ok_or(Unknown::WrongToken)
            }
            Shown::Password { user, password } => {
                self.verified(&auth, user, password).await.map(Some)
            }
        }
    }

    /// The user, if this is the password.
    pub(crate) async fn verified(
        &self,
        auth: &store::Auth,
        user: &str,
        password: &str,
    ) -> Result<Principal, Unknown> {
        let found = auth.user(user);
        let principal = Principal {
            user: user.into(),
            credentials: found.map_or(0, |found| found.credentials),
        };
        if found.is_some() && self.basics.knows(&principal, password) {
            return Ok(principal);
        }
        let kept = found.and_then(|found| found.password_hash.clone());
        match self.passwords.verify(password, kept).await {
            Err(Busy) => Err(Unknown::Busy),
            Ok(false) => Err(Unknown::WrongPassword),
            Ok(true) => {
                self.basics.remember(&principal, password);
                Ok(principal)
            }
        }
    }
}

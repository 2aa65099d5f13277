//! Whose something is that was shown.

use std::sync::Arc;

use store::{Auth, Principal};

use super::passwords::Busy;
use super::{Access, Shown};
use crate::node::Node;

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

impl Access {
    pub(crate) fn new() -> Access {
        Access { basics: super::basics::Basics::new(), ..Access::default() }
    }

    /// What is made of a password, for the log to keep.
    pub(crate) async fn hash(&self, password: &str) -> Result<Arc<str>, Unknown> {
        self.passwords.hash(password).await.map_err(|Busy| Unknown::Busy)
    }

    /// Whose this is by what is known here; nobody's while authentication is off.
    pub(super) async fn identify(
        &self,
        node: &Node,
        shown: &Shown,
    ) -> Result<Option<Principal>, Unknown> {
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
            // Many certificates are there to come in by, and name no user.
            Shown::Certificate(name) => Ok(auth.user(name).map(|user| Principal {
                user: name.as_str().into(),
                credentials: user.credentials,
            })),
        }
    }

    /// Whose this is, as far as it can be told at once: for those who count, not for those who let
    /// in.
    pub(crate) fn known(&self, node: &Node, shown: &Shown) -> Option<Arc<str>> {
        let auth = node.store().auth();
        let principal = match shown {
            Shown::Nothing => return None,
            Shown::Token(token) => self.tokens.holder(token, &auth, node.age_ms())?,
            Shown::Password { user, password } => {
                let credentials = auth.user(user)?.credentials;
                let principal = Principal { user: user.as_str().into(), credentials };
                self.basics.knows(&principal, password).then_some(principal)?
            }
            Shown::Certificate(name) => return auth.user(name).map(|_| name.as_str().into()),
        };
        Some(principal.user)
    }

    /// The user, if this is the password.
    pub(crate) async fn verified(
        &self,
        auth: &Auth,
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

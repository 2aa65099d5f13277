//! A password for a token.

use std::time::Duration;

use replica::Failure;
use store::{AuthChange, AuthRefused, Command, Outcome, Refused, Revision};

use super::visit::NotDone;
use super::{Shown, Token, Unknown, Visit};
use crate::node::{Node, WriteOptions};

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLoggedIn {
    /// The user has no password, and gets in by other means.
    NoPassword,
    /// It is not the password.
    Unknown(Unknown),
    /// Authentication is off, or the member could not.
    NotDone(NotDone),
}

impl From<Unknown> for NotLoggedIn {
    fn from(unknown: Unknown) -> NotLoggedIn {
        NotLoggedIn::Unknown(unknown)
    }
}

/// Looks at a password, and gives a token for it, which every member knows of then. Answers the
/// store's revision too.
pub(crate) async fn log_in(
    node: &Node,
    user: &str,
    password: &str,
    timeout: Duration,
) -> Result<(Token, Revision), NotLoggedIn> {
    let failed = |failure| NotLoggedIn::NotDone(NotDone::Failed(failure));
    let refused = |refused| NotLoggedIn::NotDone(NotDone::Refused(refused));
    node.read_barrier(timeout).await.map_err(failed)?;
    let auth = node.store().auth();
    if !auth.is_enabled() {
        return Err(refused(AuthRefused::NotEnabled));
    }
    if auth.user(user).is_some_and(|user| user.password_hash.is_none()) {
        return Err(NotLoggedIn::NoPassword);
    }
    let principal = node.access().verified(&auth, user, password).await?;
    let secret = Token::secret().ok_or(failed(Failure::Unavailable))?;
    let token_hash = Token::hash_of(&secret);
    let command = Command::Auth(AuthChange::LogIn { principal, token_hash });
    let options = WriteOptions { timeout, forward: true };
    let nobody = Visit::of(node, Shown::Nothing).await?;
    let written = nobody.write(command, options).await.map_err(NotLoggedIn::NotDone)?;
    match written.outcome {
        Outcome::LoggedIn { revision, index } => Ok((Token::new(secret, index), revision)),
        Outcome::Refused { reason: Refused::Auth(reason), .. } => Err(refused(reason)),
        other => panic!("a login came to {other:?}"),
    }
}

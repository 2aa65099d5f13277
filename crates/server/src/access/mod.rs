//! Who asks, and what they may have.
//!
//! ```text
//! headers ─ Shown ─ identify ─▶ Visit ─ may? ─▶ Node
//!                      │          │       └ store::Auth, the one table of who may do what
//!         passwords, tokens       └ Command::As: asked again where the command stands in the log
//! ```
//!
//! Both doors come this way: whatever a client wants of the store is wanted by a [`Visit`], which
//! knows whose it is. Nobody gets at a command's way into the log but through [`Visit::write`], and
//! what is read is named first ([`Visit::may`], [`Visit::permit`]).
//!
//! Whoever shows neither token nor password is the user whom their certificate names, if there is
//! one of that name: the connection has seen to it that the clients' CA signed it
//! (`crate::tls`, docs/security.md).
//!
//! While authentication is off a visit is nobody's, and may do everything.
//!
//! A member that is behind knows less than it must: of a user that was added, of a permission that
//! was given. So what is refused by what is known here is refused only after this member has caught
//! up with all that was acknowledged before.

mod basics;
mod identify;
mod login;
mod passwords;
mod seen;
mod shown;
mod tokens;
mod visit;

pub(crate) use identify::Unknown;
pub(crate) use login::{NotLoggedIn, log_in};
pub(crate) use passwords::can_be_set;
pub(crate) use seen::Seen;
pub(crate) use shown::{
    CERTIFICATE_USER, Shown, TOKEN as TOKEN_HEADER, name_as, name_by_certificate,
};
pub(crate) use tokens::Token;
pub(crate) use visit::{NotDone, Visit};

/// What a member needs to know its visitors.
#[derive(Default)]
pub(crate) struct Access {
    passwords: passwords::Passwords,
    tokens: tokens::Tokens,
    basics: basics::Basics,
}

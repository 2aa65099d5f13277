//! One request's way to the member: whose it is, and what they may have of it.

use std::time::Duration;

use axum::http::HeaderValue;
use parking_lot::RwLock;
use replica::{Failure, LeaseAsk, LeaseStanding};
use store::{AuthChange, AuthRefused, Command, LeaseId, Need, Outcome, Principal, Reader};

use super::{Shown, Token, Unknown};
use crate::node::{Node, WriteOptions, Written};

/// For how long a member that knows of no such user or permission tries to catch up.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a write was not done, or may not have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDone {
    /// They may not have it done.
    Refused(AuthRefused),
    /// The member could not.
    Failed(Failure),
}

/// A request by somebody, or by nobody while authentication is off or where it showed nothing.
pub(crate) struct Visit {
    node: Node,
    /// As far as it is known here: a member that is behind may find out later.
    who: RwLock<Option<Principal>>,
    shown: Shown,
}

impl Visit {
    /// Finds out who shows this.
    pub(crate) async fn of(node: &Node, shown: Shown) -> Result<Visit, Unknown> {
        let visit = |who| {
            let (node, who) = (node.clone(), RwLock::new(who));
            Visit { node, who, shown: shown.clone() }
        };
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

    /// What another member is to be shown, of a request that is handed on. A token is another's own
    /// knowledge as far as its use goes, so that one gets a new one; and so does who showed a
    /// certificate, which nobody else can show.
    pub(crate) async fn authorization(&self) -> Option<HeaderValue> {
        match (&self.shown, self.who()) {
            (Shown::Token(_) | Shown::Certificate(_), Some(principal)) => {
                self.another_token(principal).await?.header()
            }
            (shown, _) => shown.header(),
        }
    }

    async fn another_token(&self, principal: Principal) -> Option<Shown> {
        let secret = Token::secret()?;
        let token_hash = Token::hash_of(&secret);
        let command = Command::Auth(AuthChange::LogIn { principal, token_hash });
        let options = WriteOptions { timeout: CATCH_UP_TIMEOUT, forward: true };
        match self.node.write(command, options).await.ok()?.outcome {
            Outcome::LoggedIn { index, .. } => {
                Some(Shown::Token(Token::new(secret, index).to_string()))
            }
            _ => None,
        }
    }

    fn who(&self) -> Option<Principal> {
        self.who.read().clone()
    }

    /// Whose it is.
    pub(crate) fn user(&self) -> Option<String> {
        self.who().map(|who| who.user.to_string())
    }

    /// What ends the login that they came in by, for all members; none if they came by other means.
    pub(crate) fn log_out(&self) -> Option<AuthChange> {
        Some(self.shown.token()?.log_out())
    }

    /// Whether they may have this, by what is known here now.
    pub(crate) fn may(&self, need: Need<'_>) -> Result<(), AuthRefused> {
        let who = self.who.read();
        if who.is_some() && self.is_logged_out() {
            return Err(AuthRefused::StaleCredentials);
        }
        self.node.store().check(who.as_ref(), need)
    }

    /// Whether they have ended the login since that let them in. One that is only too old, or made
    /// room for others, lets nobody in any more, and ends nothing.
    fn is_logged_out(&self) -> bool {
        let Some(login) = self.shown.login() else { return false };
        let auth = self.node.store().auth();
        auth.is_enabled() && auth.was_ended(login)
    }

    /// Whether they may have this, by all that was acknowledged before, if this member refuses it
    /// by what it knows. What it grants may have been taken away since: a write is asked for again
    /// where it stands in the log, a read comes after a barrier, and for the rest there is
    /// [`Visit::permit_now`].
    pub(crate) async fn permit(&self, need: Need<'_>) -> Result<(), AuthRefused> {
        let Err(refused) = self.may(need) else {
            if let Need::Read(_) | Need::ReadTxn(_) = need {
                self.node.answered().read();
            }
            return Ok(());
        };
        if self.node.read_barrier(CATCH_UP_TIMEOUT).await.is_err() {
            return Err(refused);
        }
        if matches!(refused, AuthRefused::NoUser | AuthRefused::StaleCredentials) {
            // This member did not know yet that anybody would be asked who they are, or who.
            let found = self.node.access().identify(&self.node, &self.shown).await;
            *self.who.write() = found.map_err(|_| AuthRefused::StaleCredentials)?;
        }
        self.may(need)
    }

    /// Whether they may have this, by all that was acknowledged before: for what does not go by way
    /// of the log, where it would be asked again.
    pub(crate) async fn permit_now(&self, need: Need<'_>) -> Result<(), NotDone> {
        // Always: one that has just started has no tables yet, which looks as if all were allowed.
        self.node.read_barrier(CATCH_UP_TIMEOUT).await.map_err(NotDone::Failed)?;
        self.permit(need).await.map_err(NotDone::Refused)
    }

    /// What the member has applied, for whoever may read this of it. Whether it is new enough is
    /// for the caller to see to, before.
    pub(crate) fn reader(&self, need: Need<'_>) -> Result<&Reader, AuthRefused> {
        self.may(need)?;
        Ok(self.node.store())
    }

    /// Has `command` applied on their behalf though their login may have ended since: what they
    /// took by it is given up. The store still asks whether the user may.
    pub(crate) async fn give_up(
        &self,
        command: Command,
        options: WriteOptions,
    ) -> Result<Written, NotDone> {
        self.node.write(self.on_behalf(command), options).await.map_err(NotDone::Failed)
    }

    /// Has `command` applied on their behalf. The command must have passed `Command::validate`.
    pub(crate) async fn write(
        &self,
        command: Command,
        options: WriteOptions,
    ) -> Result<Written, NotDone> {
        // The log is asked to do nothing that is refused anyway; what it is asked it checks again.
        self.permit(Need::Change(&command)).await.map_err(NotDone::Refused)?;
        self.node.write(self.on_behalf(command), options).await.map_err(NotDone::Failed)
    }

    fn on_behalf(&self, command: Command) -> Command {
        match self.who() {
            Some(principal) => Command::As { principal, command: Box::new(command) },
            None => command,
        }
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

#[cfg(test)]
mod tests {
    use store::KeyRange;

    use super::*;
    use crate::http::tests::roles::{done, populated};
    use crate::node::testing;

    /// A member that has no tables yet, and nobody to ask, is not one where all is allowed.
    #[tokio::test(start_paused = true)]
    async fn what_goes_by_no_log_is_allowed_by_no_member_that_is_behind() {
        let node = testing::showing(|_| {});
        let visit = Visit::of(&node, Shown::Nothing).await.unwrap();
        assert_eq!(visit.may(Need::Root), Ok(()));
        let refused = visit.permit_now(Need::Root).await;
        assert!(matches!(refused, Err(NotDone::Failed(_))), "{refused:?}");
    }

    /// What was let in before its login ended gets no further: a read waits for the member to catch
    /// up, and may learn of the end there.
    #[tokio::test]
    async fn a_visit_is_over_with_its_login() {
        let node = testing::single();
        let tokens = populated(&node).await;
        let (_, token) = tokens.into_iter().find(|(mark, _)| *mark == 'r').unwrap();
        let visit = Visit::of(&node, Shown::Token(token.unwrap())).await.unwrap();
        assert_eq!(visit.permit(Need::Known).await, Ok(()));
        node.change(replica::Request::RaiseLevel, CATCH_UP_TIMEOUT).await.unwrap();
        let command = Box::new(Command::Auth(visit.log_out().unwrap()));
        let outcome = done(&node, Command::As { principal: visit.who().unwrap(), command }).await;
        assert!(matches!(outcome, Outcome::AuthChanged { .. }), "{outcome:?}");
        assert_eq!(visit.may(Need::Known), Err(AuthRefused::StaleCredentials));
        assert_eq!(visit.permit(Need::Known).await, Err(AuthRefused::StaleCredentials));
        // What it took is given up all the same, in its user's name.
        let own = KeyRange::Single("r/own".into());
        let delete = Command::Delete { range: own, prev_kv: false, condition: None };
        let options = WriteOptions { timeout: CATCH_UP_TIMEOUT, forward: true };
        let outcome = visit.give_up(delete, options).await.map(|written| written.outcome);
        assert!(matches!(outcome, Ok(Outcome::Refused { .. })), "a reader deletes nothing");
        // Whoever was not asked for then is not asked for now.
        let root = Principal { user: "root".into(), credentials: 2 };
        let command = Box::new(Command::Auth(AuthChange::Disable));
        done(&node, Command::As { principal: root, command }).await;
        assert_eq!(visit.permit(Need::Known).await, Ok(()));
    }
}

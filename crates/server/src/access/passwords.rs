//! What is made of passwords, and how they are compared.
//!
//! Argon2id with its library's parameters, which take 19 MiB and some tens of milliseconds: that is
//! what makes guessing dear. It would make a flood of logins dear too, so two are looked at at a
//! time (rule 15.2), and so many wait.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// Passwords that are looked at at once, each on a thread of its own.
const AT_ONCE_MAX: usize = 2;

/// Passwords that wait for their turn; one more is refused.
const WAITING_MAX: usize = 64;

/// A longer password is refused: it is none that anybody types.
const PASSWORD_BYTES_MAX: usize = 1 << 10;

/// What a password is compared with whose user is not there: whoever guesses at names learns
/// nothing from the time that the answer takes.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9i$\
                       AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The turns of one member.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// There are too many passwords to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Default for Passwords {
    fn default() -> Passwords {
        Passwords {
            turns: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            places: Arc::new(Semaphore::new(WAITING_MAX + AT_ONCE_MAX)),
        }
    }
}

impl Passwords {
    /// What is kept of a password: a string that says how it was made.
    pub(crate) async fn hash(&self, password: &str) -> Result<Arc<str>, Busy> {
        let password = password.to_owned();
        let hashed = self.in_turn(move || {
            Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
        });
        // It fails where the system gives no randomness.
        hashed.await?.map(Arc::from).map_err(|_| Busy)
    }

    /// Whether a password is the one that `kept` was made of; false if there is none.
    pub(crate) async fn verify(
        &self,
        password: &str,
        kept: Option<Arc<str>>,
    ) -> Result<bool, Busy> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let password = password.to_owned();
        self.in_turn(move || {
            let written = kept.as_deref().unwrap_or(NOBODYS);
            let Ok(hash) = PasswordHash::new(written) else { return false };
            let is_it = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
            is_it && kept.is_some()
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Busy)?;
        // A client that goes away does not end the work: its place and turn go with the work.
        let work = move || {
            let done = work();
            drop((place, turn));
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Busy)
    }
}

/// Whether a password can be set.
pub(crate) fn can_be_set(password: &str) -> bool {
    password.len() <= PASSWORD_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_what_was_made_of_it() {
        let passwords = Passwords::default();
        let [one, other] = [passwords.hash("secret"), passwords.hash("secret")];
        let (one, other) = (one.await.unwrap(), other.await.unwrap());
        assert_ne!(one, other, "each has a salt of its own");
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_eq!(passwords.verify("secret", Some(one.clone())).await, Ok(true));
        assert_eq!(passwords.verify("Secret", Some(one.clone())).await, Ok(false));
        assert_eq!(passwords.verify("", Some(one)).await, Ok(false));
        assert_eq!(passwords.verify("secret", None).await, Ok(false));
        assert_eq!(passwords.verify("secret", Some("plain".into())).await, Ok(false));
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        assert_eq!(passwords.verify(&long, Some(other)).await, Ok(false));
    }

    /// Else the time of the answer would tell whether there is such a user.
    #[test]
    fn what_nobody_has_costs_as_much_as_what_somebody_has() {
        let hash = PasswordHash::new(NOBODYS).expect("it can be read");
        let params = argon2::Params::try_from(&hash).expect("and compared with");
        let known = argon2::Params::default();
        let costs = |params: &argon2::Params| (params.m_cost(), params.t_cost(), params.p_cost());
        assert_eq!(costs(&params), costs(&known));
        assert_eq!(params.output_len(), Some(argon2::Params::DEFAULT_OUTPUT_LEN));
    }

    #[tokio::test]
    async fn whoever_goes_away_leaves_no_room_for_another_before_the_work_is_done() {
        let passwords = Passwords::default();
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let mut work = Box::pin(passwords.in_turn(move || wait.recv().is_ok()));
        // Begun, and then given up.
        assert!(
            std::future::poll_fn(|context| {
                std::task::Poll::Ready(work.as_mut().poll(context).is_pending())
            })
            .await
        );
        drop(work);
        assert_eq!(passwords.turns.available_permits(), AT_ONCE_MAX - 1);
        assert_eq!(passwords.places.available_permits(), WAITING_MAX + AT_ONCE_MAX - 1);
        go_on.send(()).unwrap();
        // All turns are there only once it is done.
        drop(passwords.turns.acquire_many(AT_ONCE_MAX as u32).await.unwrap());
        assert_eq!(passwords.places.available_permits(), WAITING_MAX + AT_ONCE_MAX);
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded() {
        let passwords = Passwords::default();
        let held = passwords.places.clone().acquire_many_owned(66).await.unwrap();
        assert_eq!(passwords.verify("secret", None).await, Err(Busy));
        drop(held);
        assert_eq!(passwords.verify("secret", None).await, Ok(false));
    }
}

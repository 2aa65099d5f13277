//! Tokens: what a client shows instead of its password.
//!
//! The log knows of each token that was given out ([`store::Login`]), so every member does, and one
//! that starts again too. What it knows is a hash: a token can not be made of it. A token that is
//! not used goes after a while; when it was used is known to the member alone that saw it, as in
//! etcd.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use store::{Auth, AuthChange, LOGINS_MAX, Login, Principal};

/// A token that was not used for so long is none any more. As in etcd by default.
pub(crate) const TOKEN_TTL: Duration = Duration::from_secs(300);

/// Letters and digits before the dot: 142 bits.
const SECRET_CHARS: usize = 24;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A secret, and the log entry that knows of it: `secret.index`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    secret: String,
    index: u64,
}

impl Token {
    /// A secret that was never there before; none if the system gives no randomness.
    pub(crate) fn secret() -> Option<String> {
        let mut secret = String::with_capacity(SECRET_CHARS);
        while secret.len() < SECRET_CHARS {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).ok()?;
            // What is beyond a multiple of the letters is passed over: each is as likely as others.
            let letters = bytes.iter().map(|byte| usize::from(byte & 63));
            let letters = letters.filter_map(|letter| ALPHABET.get(letter));
            let missing = SECRET_CHARS - secret.len();
            secret.extend(letters.take(missing).map(|&letter| char::from(letter)));
        }
        Some(secret)
    }

    /// The token of a secret that a log entry knows of.
    pub(crate) fn new(secret: String, index: u64) -> Token {
        Token { secret, index }
    }

    /// What the log is told of a secret.
    pub(crate) fn hash_of(secret: &str) -> [u8; 32] {
        Sha256::digest(secret.as_bytes()).into()
    }

    /// The login that it stands for, while it goes.
    pub(super) fn login<'a>(&self, auth: &'a Auth) -> Option<&'a Login> {
        let login = auth.login(self.index)?;
        (login.token_hash == Token::hash_of(&self.secret)).then_some(login)
    }

    /// What ends it.
    pub(super) fn log_out(&self) -> AuthChange {
        AuthChange::LogOut { index: self.index, token_hash: Token::hash_of(&self.secret) }
    }

    pub(super) fn read(written: &str) -> Option<Token> {
        let (secret, index) = Token::parts(written)?;
        Some(Token { secret: secret.to_owned(), index })
    }

    /// The log entry that is said to know of a token, whether it does or not.
    pub(super) fn index_of(written: &str) -> Option<u64> {
        Token::parts(written).map(|(_, index)| index)
    }

    fn parts(written: &str) -> Option<(&str, u64)> {
        let (secret, index) = written.split_once('.')?;
        Some((secret, index.parse().ok()?))
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.secret, self.index)
    }
}

/// When tokens were used, as one member saw it.
pub(crate) struct Tokens {
    /// Until the member has seen who is there it takes every token for used.
    started: Instant,
    used: Mutex<HashMap<u64, Instant>>,
}

impl Default for Tokens {
    fn default() -> Tokens {
        Tokens { started: Instant::now(), used: Mutex::default() }
    }
}

impl Tokens {
    /// Whose token it is, if it is one and still goes; it then goes on. `age_ms` is the cluster's
    /// age now.
    pub(super) fn holder(&self, written: &str, auth: &Auth, age_ms: u64) -> Option<Principal> {
        self.holder_at(written, auth, age_ms, Instant::now())
    }

    fn holder_at(
        &self,
        written: &str,
        auth: &Auth,
        age_ms: u64,
        now: Instant,
    ) -> Option<Principal> {
        let token = Token::read(written)?;
        let (login, index) = (token.login(auth)?, token.index);
        let mut used = self.used.lock();
        let last_used = used.get(&index).copied().unwrap_or(self.started);
        let ttl_ms = u64::try_from(TOKEN_TTL.as_millis()).unwrap_or(u64::MAX);
        let is_young = age_ms.saturating_sub(login.age_ms) < ttl_ms;
        if !is_young && now.saturating_duration_since(last_used) >= TOKEN_TTL {
            used.remove(&index);
            return None;
        }
        // Twice as many as there are logins: so it is rare that anything can be forgotten.
        if used.len() >= 2 * LOGINS_MAX {
            used.retain(|index, last| {
                auth.login(*index).is_some() && now.saturating_duration_since(*last) < TOKEN_TTL
            });
        }
        used.insert(index, now);
        Some(login.principal.clone())
    }
}

#[cfg(test)]
mod tests {
    use store::{Apply, Budget, Command, LogEntry, Store};

    use super::*;

    const AGE_MS: u64 = 1_000;

    /// Tables in which entry 5 knows of this secret.
    fn auth(secret: &str) -> std::sync::Arc<Auth> {
        let principal = Principal { user: "root".into(), credentials: 2 };
        let changes = [
            AuthChange::AddUser { name: "root".into(), password_hash: Some("hash".into()) },
            AuthChange::AddRole { name: "root".into() },
            AuthChange::GrantRole { user: "root".into(), role: "root".into() },
            AuthChange::Enable,
            AuthChange::LogIn { principal, token_hash: Token::hash_of(secret) },
        ];
        let mut store = Store::new();
        for (index, change) in (1..).zip(changes) {
            let command = Some(Command::Auth(change).encode());
            let entry = LogEntry { index, term: 1, stamp_ms: 0, age_ms: AGE_MS, command };
            let done = store.apply(&entry, &mut Budget::new(u64::MAX)).unwrap();
            assert_ne!(done, Apply::Unfinished);
        }
        store.publish();
        store.reader().auth()
    }

    #[test]
    fn a_token_is_of_its_entry_and_secret() {
        let secret = Token::secret().unwrap();
        assert_eq!(secret.len(), SECRET_CHARS);
        assert_ne!(Some(&secret), Token::secret().as_ref());
        let (auth, tokens) = (auth(&secret), Tokens::default());
        let token = Token::new(secret.clone(), 5).to_string();
        let holder = |written: &str| tokens.holder(written, &auth, AGE_MS);
        assert_eq!(holder(&token).map(|known| known.user.to_string()), Some("root".to_owned()));
        let wrong = [format!("{secret}.4"), format!("{secret}x.5"), secret, ".5".into(), "".into()];
        for wrong in wrong {
            assert_eq!(holder(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_token_goes_when_it_was_not_used_for_long() {
        let (auth, tokens) = (auth("s"), Tokens::default());
        let (second, old_ms) = (Duration::from_secs(1), AGE_MS + 1_000_000_000);
        let at = |age_ms, now| tokens.holder_at("s.5", &auth, age_ms, now).is_some();
        let mut now = tokens.started + TOKEN_TTL;
        assert!(!at(old_ms, now), "the member has run long enough to know");
        assert!(at(old_ms, now - second), "and before that it can not");
        for _ in 0..10 {
            now += TOKEN_TTL - second;
            assert!(at(old_ms, now - second), "it is used all the time");
        }
        assert!(!at(old_ms, now + TOKEN_TTL));
        assert!(at(AGE_MS + 10, now + 10 * TOKEN_TTL), "a young one was not used yet");
    }
}

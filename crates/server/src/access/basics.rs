//! Names and passwords that were looked at a moment ago.
//!
//! Who shows a password with every request, as browsers and `curl` do, would have it looked at each
//! time. So what was found is remembered, as a hash with a key that this process alone has.

use std::collections::HashMap;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use store::Principal;

/// So many are remembered; then all are forgotten, and looked at again.
const REMEMBERED_MAX: usize = 1_000;

/// What is remembered.
#[derive(Default)]
pub(super) struct Basics {
    /// None if the system gave no randomness: then nothing is remembered.
    key: Option<[u8; 32]>,
    known: Mutex<HashMap<Principal, [u8; 32]>>,
}

impl Basics {
    pub(super) fn new() -> Basics {
        let mut key = [0; 32];
        Basics { key: getrandom::fill(&mut key).ok().map(|()| key), ..Basics::default() }
    }

    /// Whether this password was found to be this user's, who has had no other since.
    pub(super) fn knows(&self, principal: &Principal, password: &str) -> bool {
        let Some(mark) = self.mark(principal, password) else { return false };
        self.known.lock().get(principal).is_some_and(|known| *known == mark)
    }

    /// It was found to be.
    pub(super) fn remember(&self, principal: &Principal, password: &str) {
        let Some(mark) = self.mark(principal, password) else { return };
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(principal.clone(), mark);
    }

    fn mark(&self, principal: &Principal, password: &str) -> Option<[u8; 32]> {
        let user = principal.user.as_bytes();
        let mut mark = Sha256::new();
        mark.update(self.key?);
        mark.update((user.len() as u64).to_le_bytes());
        mark.update(user);
        mark.update(password.as_bytes());
        Some(mark.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(user: &str, credentials: u64) -> Principal {
        Principal { user: user.into(), credentials }
    }

    #[test]
    fn a_password_is_remembered_for_its_user_and_time() {
        let basics = Basics::new();
        basics.remember(&principal("u", 2), "secret");
        assert!(basics.knows(&principal("u", 2), "secret"));
        assert!(!basics.knows(&principal("u", 2), "Secret"));
        assert!(!basics.knows(&principal("u", 3), "secret"), "it was set again since");
        assert!(!basics.knows(&principal("v", 2), "secret"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let basics = Basics::new();
        for number in 0..3 * REMEMBERED_MAX as u64 {
            basics.remember(&principal("u", number), "secret");
            assert!(basics.known.lock().len() <= REMEMBERED_MAX);
        }
    }
}

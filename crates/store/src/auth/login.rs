//! One login: what a token stands for.

use super::Principal;
use crate::hash;

/// Somebody showed a password, and was given a token for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub principal: Principal,
    /// SHA-256 of the token: whoever reads a snapshot has no tokens.
    pub token_hash: [u8; 32],
    /// The age of the cluster then, ms.
    pub age_ms: u64,
}

impl Login {
    /// The item of the state hash.
    pub(super) fn item(&self, index: u64) -> u64 {
        let Login { principal, token_hash, age_ms } = self;
        let user = principal.user.as_bytes();
        hash::login_item(index, user, principal.credentials, token_hash, *age_ms)
    }
}

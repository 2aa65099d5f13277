//! The secret that whoever does something by hand has to know.

use std::io;

use sha2::{Digest as _, Sha256};

/// 128 random bits of one run, in hex.
pub(in crate::dev) struct Token(String);

impl Token {
    /// A new one.
    pub(in crate::dev) fn draw() -> io::Result<Token> {
        let (high, low) = (getrandom::u64()?, getrandom::u64()?);
        Ok(Token(format!("{high:016x}{low:016x}")))
    }

    pub(in crate::dev) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether these bytes are the token. Digests are compared, so how long that takes says nothing
    /// about the token itself.
    pub(super) fn is(&self, sent: &[u8]) -> bool {
        Sha256::digest(sent) == Sha256::digest(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_random_and_only_itself() {
        let (one, other) = (Token::draw().unwrap(), Token::draw().unwrap());
        assert_eq!(one.as_str().len(), 32);
        assert_ne!(one.as_str(), other.as_str());
        assert!(one.is(one.as_str().as_bytes()));
        for wrong in [other.as_str(), "", &one.as_str()[..31], &format!("{} ", one.as_str())] {
            assert!(!one.is(wrong.as_bytes()), "{wrong:?}");
        }
    }
}

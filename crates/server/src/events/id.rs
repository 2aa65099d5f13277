//! A member's id as events show it: a text, as everywhere in the API.

use std::fmt;

use raft::MemberId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A member's id, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) MemberId);

/// Sixteen digits are 64 bits.
const DIGITS_MAX: usize = 16;

impl From<MemberId> for Id {
    fn from(id: MemberId) -> Id {
        Id(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let is_short = (1..=DIGITS_MAX).contains(&text.len());
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = u64::from_str_radix(&text, 16).ok().filter(|id| is_short && is_hex && *id > 0);
        Ok(Id(MemberId(id.ok_or_else(|| D::Error::custom("it is no id of a member"))?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_text_of_hexadecimal_digits() {
        let id = Id(MemberId(0x3f));
        assert_eq!(serde_json::to_string(&id).unwrap(), r#""3f""#);
        assert_eq!(serde_json::from_str::<Id>(r#""3f""#).unwrap(), id);
        for none in [r#""""#, r#""0""#, r#""+3""#, r#""g""#, r#""11112222333344445""#, "3"] {
            assert!(serde_json::from_str::<Id>(none).is_err(), "{none}");
        }
    }
}

//! Ages as people write them: `1h`, `90m`, `500ms`, `7d`, and `0` for no limit.

use serde::{Deserialize, Deserializer};

/// What stands behind the number, and how many ms that is. `ms` before `s` and `m`.
const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const EXPECTED: &str = "an age, such as 1h, 90m, 30s, 500ms or 7d; 0 is without a limit";

/// Reads an age, in ms. A number alone is 0: anything else has a unit.
pub fn parse_age(text: &str) -> Result<u64, &'static str> {
    if text == "0" {
        return Ok(0);
    }
    let (number, unit_ms) = UNITS
        .iter()
        .find_map(|(unit, ms)| Some((text.strip_suffix(unit)?.trim_end(), ms)))
        .ok_or(EXPECTED)?;
    let number: u64 = number.parse().map_err(|_| EXPECTED)?;
    number.checked_mul(*unit_ms).ok_or(EXPECTED)
}

/// An age in the file: a string.
pub(super) fn age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_age(&text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (text, ms) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("90 s", 90_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(parse_age(text), Ok(ms), "{text}");
        }
        for text in ["", "h", "5", "-1h", "1.5h", "1w", "1 h 5m", "300000000000000d"] {
            assert_eq!(parse_age(text), Err(EXPECTED), "{text:?}");
        }
    }
}

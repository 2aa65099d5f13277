//! Reads what we need of JSON that our own members and tools print: a value by the names on the way
//! to it. No parser: the documents are known, and the names on the way occur nowhere before.

/// What follows a key and its colon.
pub(super) fn value_of<'a>(json: &'a str, key: &str) -> Option<&'a str> {
    let (_, after) = json.split_once(&format!("\"{key}\""))?;
    Some(after.trim_start().strip_prefix(':')?.trim_start())
}

/// A number, or a string of digits, at the end of a way of keys.
pub(super) fn number(json: &str, way: &[&str]) -> Option<f64> {
    let value = way.iter().try_fold(json, |rest, key| value_of(rest, key))?;
    let value = value.strip_prefix('"').unwrap_or(value);
    let end = value.find(|letter: char| !matches!(letter, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
    value[..end.unwrap_or(value.len())].parse().ok()
}

/// Digits in quotes, or bare ones, as they are written: numbers of 64 bits have more digits than a
/// float keeps.
pub(super) fn digits<'a>(json: &'a str, key: &str) -> Option<&'a str> {
    let value = value_of(json, key)?;
    let value = value.strip_prefix('"').unwrap_or(value);
    let end = value.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(value.len());
    (end > 0).then(|| &value[..end])
}

/// Base64 with padding, as JSON has bytes.
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > chunk.len() { '=' } else { letter.into() });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_the_names_on_the_way() {
        let json = r#"{"total": {"latency_us": {"p50": 7, "p99":1.5e3}, "n":"42"}, "x": -1}"#;
        assert_eq!(number(json, &["total", "latency_us", "p99"]), Some(1_500.0));
        assert_eq!(number(json, &["total", "n"]), Some(42.0));
        assert_eq!(number(json, &["x"]), Some(-1.0));
        assert_eq!(number(json, &["total", "p98"]), None);
        assert_eq!(number(json, &["total"]), None);
    }

    #[test]
    fn long_numbers_keep_their_digits() {
        let json = r#"{"leader":"10501334649042878790","term":2}"#;
        assert_eq!(digits(json, "leader"), Some("10501334649042878790"));
        assert_eq!((digits(json, "term"), digits(json, "other")), (Some("2"), None));
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        let pairs =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (bytes, text) in pairs {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0, 0xff, 0xfe]), "AP/+");
    }
}

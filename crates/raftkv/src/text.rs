//! Bytes as people read them, and as JSON carries them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use client::{KeyValue, Staleness};
use serde::Serialize;

/// Longer text is cut in tables.
const CELL_CHARS_MAX: usize = 60;

/// One line of text: control characters and bytes that are no UTF-8 are escaped, so that a value
/// can neither break a line nor speak to the terminal.
pub(crate) fn line(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// One line that fits into a table.
pub(crate) fn cell(bytes: &[u8]) -> String {
    let text = line(bytes);
    match text.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Reads base64 as people paste it: with white space around it, and line breaks in it.
pub(crate) fn decode_base64(text: &[u8]) -> Result<Vec<u8>, base64::DecodeError> {
    let dense: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(dense)
}

/// A key and its value in the JSON of the HTTP door.
#[derive(Serialize)]
pub(crate) struct JsonKeyValue<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    version: u64,
    create_revision: u64,
    mod_revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<i64>,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

/// How the value of a key is to be shown in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    /// As text where it is text.
    AsText,
    /// In base64, whatever it is.
    AsBase64,
    /// Not at all: only keys were asked for.
    Absent,
}

impl<'a> JsonKeyValue<'a> {
    pub(crate) fn new(item: &'a KeyValue, values: Values) -> JsonKeyValue<'a> {
        let (key, key_base64) = text_or_base64(&item.key);
        let (value, value_base64) = match values {
            Values::AsText => text_or_base64(&item.value),
            Values::AsBase64 => (None, Some(encode_base64(&item.value))),
            Values::Absent => (None, None),
        };
        JsonKeyValue {
            key,
            key_base64,
            value,
            value_base64,
            version: item.version,
            create_revision: item.create_revision.0,
            mod_revision: item.mod_revision.0,
            ttl_ms: item.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
            lease: item.lease.map(|lease| lease.0),
            stale: item.stale,
        }
    }
}

/// Bytes as JSON carries them: as text, or if they are none in base64. One of the two is there.
pub(crate) fn text_or_base64(bytes: &[u8]) -> (Option<Cow<'_, str>>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(Cow::Borrowed(text)), None),
        Err(_) => (None, Some(encode_base64(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line_and_says_nothing_to_the_terminal() {
        assert_eq!(line("naïve ключ".as_bytes()), "naïve ключ");
        assert_eq!(line(b"a\nb\tc\x1b[2J"), "a\\nb\\tc\\u{1b}[2J");
        assert_eq!(line(b"\xff\x00a\xc3"), "\\xff\\u{0}a\\xc3");
    }

    #[test]
    fn a_cell_is_cut_at_a_character() {
        assert_eq!(cell("é".repeat(60).as_bytes()), "é".repeat(60));
        assert_eq!(cell("é".repeat(61).as_bytes()), format!("{}…", "é".repeat(60)));
    }

    #[test]
    fn base64_may_be_wrapped() {
        assert_eq!(decode_base64(b" aGVs\nbG8=\n").unwrap(), b"hello");
        assert!(decode_base64(b"aGVsbG8").is_err());
    }
}

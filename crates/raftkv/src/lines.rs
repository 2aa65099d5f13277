//! A key as a line of JSON: what `export` writes and `import` reads.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use client::KeyValue;
use serde::{Deserialize, Serialize};

use crate::text::{decode_base64, text_or_base64};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) ttl: Option<Duration>,
}

/// The line of a key, without its end.
pub(crate) fn write(item: &KeyValue) -> String {
    let (key, key_base64) = text_or_base64(&item.key);
    let (value, value_base64) = text_or_base64(&item.value);
    // What is over within this millisecond is not over yet.
    let ttl_ms = item.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1));
    let written = Written { key, key_base64, value, value_base64, ttl_ms };
    serde_json::to_string(&written).expect("its keys are text, so it is JSON")
}

/// Reads a line.
pub(crate) fn read(line: &[u8]) -> Result<Line, String> {
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err("it is no JSON object".to_owned());
    }
    let written: Written<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let key = bytes("key", written.key, written.key_base64)?;
    let value = bytes("value", written.value, written.value_base64)?;
    if key.is_empty() {
        return Err("the key is empty".to_owned());
    }
    if written.ttl_ms == Some(0) {
        return Err("ttl_ms is at least 1; leave it out of a key that stays".to_owned());
    }
    Ok(Line { key, value, ttl: written.ttl_ms.map(Duration::from_millis) })
}

fn bytes(name: &str, text: Option<Cow<'_, str>>, base64: Option<String>) -> Result<Bytes, String> {
    match (text, base64) {
        (Some(text), None) => Ok(Bytes::from(text.into_owned())),
        (None, Some(encoded)) => match decode_base64(encoded.as_bytes()) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => Err(format!("{name}_base64: {error}")),
        },
        (None, None) => Err(format!("{name} is missing, and {name}_base64 too")),
        (Some(_), Some(_)) => Err(format!("give {name} or {name}_base64, not both")),
    }
}

#[cfg(test)]
mod tests {
    use client::Revision;

    use super::*;

    fn item(key: &'static [u8], value: &'static [u8], ttl_ms: Option<u64>) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: value.into(),
            version: 1,
            create_revision: Revision(2),
            mod_revision: Revision(2),
            ttl: ttl_ms.map(Duration::from_millis),
            lease: None,
            stale: None,
        }
    }

    #[test]
    fn a_line_is_text_where_the_bytes_are() {
        assert_eq!(write(&item(b"k", b"a\n\"b", None)), r#"{"key":"k","value":"a\n\"b"}"#);
        assert_eq!(
            write(&item(b"\xff", b"\x80", Some(1_500))),
            r#"{"key_base64":"/w==","value_base64":"gA==","ttl_ms":1500}"#
        );
        assert_eq!(write(&item(b"k", b"", Some(0))), r#"{"key":"k","value":"","ttl_ms":1}"#);
    }

    #[test]
    fn what_is_written_is_read() {
        for item in [item(b"k\0", b"", None), item(b"\xff\xfe", b"v\n\xc3", Some(7))] {
            let line = read(write(&item).as_bytes()).unwrap();
            assert_eq!(line, Line { key: item.key, value: item.value, ttl: item.ttl });
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, reason) in [
            ("", "no JSON object"),
            ("[\"k\",null,\"v\",null,null]", "no JSON object"),
            ("{\"key\":\"k\"", "EOF"),
            (r#"{"key":"k"}"#, "value is missing"),
            (r#"{"value":"v"}"#, "key is missing"),
            (r#"{"key":"","value":"v"}"#, "key is empty"),
            (r#"{"key":"k","value":"v","lease":1}"#, "unknown field `lease`"),
            (r#"{"key":"k","key_base64":"aw==","value":"v"}"#, "not both"),
            (r#"{"key_base64":"a","value":"v"}"#, "key_base64"),
            (r#"{"key":"k","value":"v","ttl_ms":0}"#, "at least 1"),
            (r#"{"key":"k","value":"v","ttl_ms":-1}"#, "invalid value: integer `-1`"),
            (r#"{"key":"k","value":"v"} {}"#, "trailing"),
        ] {
            let found = read(line.as_bytes()).expect_err(line);
            assert!(found.contains(reason), "{line}: {found}");
        }
    }
}

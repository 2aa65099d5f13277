//! Percent escapes, and bytes that may be no text.
//!
//! Keys are bytes. In a URL any byte may be written `%XX`, and in JSON a key or value that is not
//! UTF-8 appears in base64 under another name, so nothing is ever mangled on its way.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A `%` that is not followed by two hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BrokenEscape {
    /// The byte offset of the `%`.
    pub(super) at: usize,
}

/// Decodes `%XX`; every other byte stands for itself, `+` too.
pub(super) fn decode_path(raw: &[u8]) -> Result<Cow<'_, [u8]>, BrokenEscape> {
    if !raw.contains(&b'%') {
        return Ok(Cow::Borrowed(raw));
    }
    decode(raw).map(Cow::Owned)
}

/// Decodes one name or value of a query, where forms write a space as `+`.
pub(super) fn decode_query(raw: &[u8]) -> Result<Vec<u8>, BrokenEscape> {
    let spaced: Vec<u8> = raw.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    decode(&spaced)
}

fn decode(raw: &[u8]) -> Result<Vec<u8>, BrokenEscape> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        if byte == b'%' {
            decoded.push(escaped(raw.get(at + 1..at + 3)).ok_or(BrokenEscape { at })?);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    Ok(decoded)
}

fn escaped(digits: Option<&[u8]>) -> Option<u8> {
    let digit = |digit: u8| (digit as char).to_digit(16);
    match digits? {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    }
}

/// Bytes as JSON shows them: as text, or if they are none in base64. One of the two is there.
pub(crate) fn text_or_base64(bytes: &[u8]) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_bytes_and_the_rest_stays() {
        for (raw, decoded) in [
            ("", &b""[..]),
            ("db.host", b"db.host"),
            ("a/b/c", b"a/b/c"),
            ("a%2Fb", b"a/b"),
            ("a%2fb", b"a/b"),
            ("%00%ff%7F", b"\x00\xff\x7f"),
            ("%25%32%35", b"%25"),
            ("a+b%20c", b"a+b c"),
            ("\u{e4}", "\u{e4}".as_bytes()),
        ] {
            assert_eq!(decode_path(raw.as_bytes()).as_deref(), Ok(decoded), "{raw}");
        }
        assert_eq!(decode_query(b"a+b%2B%20"), Ok(b"a b+ ".to_vec()));
    }

    #[test]
    fn broken_escapes_are_found_where_they_are() {
        for (raw, at) in [("%", 0), ("a%2", 1), ("%4%41", 0), ("ab%zz", 2), ("%+1", 0), ("%41%", 3)]
        {
            assert_eq!(decode_path(raw.as_bytes()), Err(BrokenEscape { at }), "{raw}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_appear_in_base64() {
        assert_eq!(text_or_base64(b"text"), (Some("text"), None));
        assert_eq!(text_or_base64(b"\xff\x00"), (None, Some("/wA=".to_owned())));
    }
}

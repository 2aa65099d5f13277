//! Percent-encoding of arbitrary bytes in paths and queries (RFC 3986).

use std::fmt::Write as _;

/// Escapes a key for use after `/kv/`: slashes stay, so that keys read as paths.
pub(crate) fn path(bytes: &[u8]) -> String {
    escape(bytes, |byte| byte == b'/' || is_unreserved(byte))
}

/// Escapes one value of a query string.
pub(crate) fn query(bytes: &[u8]) -> String {
    escape(bytes, is_unreserved)
}

fn escape(bytes: &[u8], stays: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if stays(byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    text
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_bytes_become_a_path() {
        assert_eq!(super::path(b"db.host"), "db.host");
        assert_eq!(super::path(b"a/b//c"), "a/b//c");
        assert_eq!(super::path("ключ?#% +".as_bytes()), "%D0%BA%D0%BB%D1%8E%D1%87%3F%23%25%20%2B");
        assert_eq!(super::path(&[0, 255]), "%00%FF");
        assert_eq!(super::query(b"a/b&c=d"), "a%2Fb%26c%3Dd");
    }
}

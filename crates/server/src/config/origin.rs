//! A web origin: scheme, host and port (RFC 6454), as browsers send it in `Origin`.

use std::fmt;

/// A web origin, in the one spelling that browsers use: lower case, no default port, no path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin(String);

impl Origin {
    /// Reads `http://host`, `https://host:port`; `None` for anything else.
    ///
    /// `*` and `null` are no origins: the first would open the store to every page its users visit,
    /// the second to every sandboxed frame.
    pub fn parse(text: &str) -> Option<Origin> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => return None,
        };
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        let valid = !authority.is_empty() && authority.bytes().all(allowed);
        valid.then(|| Origin(format!("{scheme}://{authority}")))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_each_origin() {
        for (written, read) in [
            ("http://localhost:8001", Some("http://localhost:8001")),
            ("HTTPS://Example.org:443", Some("https://example.org")),
            ("http://example.org:80", Some("http://example.org")),
            ("https://example.org:80", Some("https://example.org:80")),
            ("http://[::1]:8001", Some("http://[::1]:8001")),
            ("*", None),
            ("null", None),
            ("example.org", None),
            ("ftp://example.org", None),
            ("http://", None),
            ("http://example.org/", None),
            ("http://user@example.org", None),
        ] {
            assert_eq!(Origin::parse(written).map(|o| o.to_string()).as_deref(), read, "{written}");
        }
    }
}

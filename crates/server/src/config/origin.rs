//! A web origin: scheme, host and port (RFC 6454), as browsers send it in `Origin`.

use std::fmt;

use super::Address;

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

    /// Whether what is served under a URL is of this origin. The names of the loopback interface
    /// are one place, as everywhere where members are named (rule 3.2).
    pub(crate) fn is_of(&self, url: &str) -> bool {
        let other = Origin::parse(url.strip_suffix('/').unwrap_or(url));
        let place = self.place();
        place.is_some() && other.is_some_and(|other| other.place() == place)
    }

    /// The scheme, and where it is.
    fn place(&self) -> Option<(&str, Address)> {
        let (scheme, authority) = self.0.split_once("://")?;
        let has_port = !authority.ends_with(']') && authority.contains(':');
        let port = if scheme == "https" { 443 } else { 80 };
        let address = match has_port {
            true => Address::parse(authority),
            false => Address::parse(&format!("{authority}:{port}")),
        };
        Some((scheme, address.ok()?))
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

    #[test]
    fn an_origin_is_of_a_url_whose_place_it_names() {
        let origin = |text: &str| Origin::parse(text).unwrap();
        for (written, url, is) in [
            ("http://localhost:8002", "http://localhost:8002", true),
            ("http://127.0.0.1:8002", "http://localhost:8002/", true),
            ("http://[::1]:8002", "http://localhost:8002", true),
            ("http://kv.example", "http://KV.example:80", true),
            ("https://kv.example", "https://kv.example:443", true),
            ("https://kv.example:8002", "http://kv.example:8002", false),
            ("http://kv.example:8003", "http://kv.example:8002", false),
            ("http://kv.example.evil:8002", "http://kv.example:8002", false),
            ("http://kv.example", "http://kv.example/page", false),
            ("http://kv.example", "nonsense", false),
        ] {
            assert_eq!(origin(written).is_of(url), is, "{written} {url}");
        }
    }
}

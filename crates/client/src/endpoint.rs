//! Where a member is reached: `http://host:port`, or with TLS `https://host:port`.

use std::fmt;
use std::str::FromStr;

use hyper::http::uri::{Authority, Scheme, Uri};

use crate::Error;

/// The address of one member's door.
///
/// Written `http://host:port` or `host:port`; both are the same endpoint. With TLS:
/// `https://host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    tls: bool,
    authority: Authority,
}

impl Endpoint {
    /// Reads a comma-separated list, without empty or repeated items.
    ///
    /// # Errors
    /// [`Error::InvalidEndpoint`] names the first item that is none, or says that there is none.
    pub fn parse_list(text: &str) -> Result<Vec<Endpoint>, Error> {
        let mut endpoints = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let endpoint = item.parse()?;
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        if endpoints.is_empty() {
            return Err(invalid(text, "it names no member"));
        }
        if endpoints.iter().any(|endpoint: &Endpoint| endpoint.tls != endpoints[0].tls) {
            return Err(invalid(text, "write all of them with https://, or none"));
        }
        Ok(endpoints)
    }

    /// Where a member is reached that tells clients to come to these URLs, or to `address` if there
    /// are none; the first without TLS, or else the first.
    pub(crate) fn for_clients(urls: &[String], address: &str) -> Option<Endpoint> {
        match urls {
            [] => address.parse().ok(),
            urls => {
                let all: Vec<Endpoint> = urls.iter().filter_map(|url| url.parse().ok()).collect();
                all.iter().find(|endpoint| !endpoint.tls).or(all.first()).cloned()
            }
        }
    }

    /// Whether it is reached with TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The same address, with TLS: nobody is led from TLS to a place without.
    pub(crate) fn with_tls(self) -> Endpoint {
        Endpoint { tls: true, ..self }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        self.authority.as_str()
    }

    /// The whole address of a request. `path_and_query` is already escaped.
    pub(crate) fn uri(&self, path_and_query: &str) -> Uri {
        Uri::builder()
            .scheme(if self.tls { Scheme::HTTPS } else { Scheme::HTTP })
            .authority(self.authority.clone())
            .path_and_query(path_and_query)
            .build()
            .expect("scheme and authority were checked, and paths are built of escaped parts")
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Endpoint, Error> {
        let secure = text.strip_prefix("https://");
        let tls = secure.is_some();
        let address = secure.or(text.strip_prefix("http://")).unwrap_or(text);
        let address = address.strip_suffix('/').unwrap_or(address);
        let authority: Authority =
            address.parse().map_err(|_| invalid(text, "write it as http://host:port"))?;
        if authority.port_u16().is_none() {
            return Err(invalid(text, "the port is missing, as in http://localhost:8001"));
        }
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(invalid(text, "write it as http://host:port"));
        }
        Ok(Endpoint { tls, authority })
    }
}

fn invalid(text: &str, reason: &'static str) -> Error {
    Error::InvalidEndpoint { text: text.to_owned(), reason }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_endpoint() {
        let list = "http://localhost:8001, localhost:8001/ ,127.0.0.1:8002,";
        let endpoints = Endpoint::parse_list(list).unwrap();
        let shown: Vec<_> = endpoints.iter().map(Endpoint::to_string).collect();
        assert_eq!(shown, ["http://localhost:8001", "http://127.0.0.1:8002"]);
        assert_eq!(endpoints[1].address(), "127.0.0.1:8002");
    }

    #[test]
    fn a_member_is_reached_where_it_tells_clients_to_come() {
        let of = |urls: &[&str]| {
            let urls: Vec<String> = urls.iter().map(|&url| url.to_owned()).collect();
            let endpoint = Endpoint::for_clients(&urls, "localhost:18001");
            endpoint.map(|endpoint| endpoint.address().to_owned())
        };
        assert_eq!(of(&[]).as_deref(), Some("localhost:18001"));
        assert_eq!(of(&["http://localhost:8001"]).as_deref(), Some("localhost:8001"));
        assert_eq!(of(&["https://a:1", "http://b:2"]).as_deref(), Some("b:2"));
        assert_eq!(of(&["https://a:1"]).as_deref(), Some("a:1"));
        let secure = Endpoint::for_clients(&["https://a:1".to_owned()], "localhost:1").unwrap();
        assert_eq!((secure.is_tls(), secure.to_string().as_str()), (true, "https://a:1"));
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_a_reason() {
        let cases = [
            ("localhost", "port is missing"),
            ("http://localhost", "port is missing"),
            ("https://localhost", "port is missing"),
            ("https://a:1,http://b:2", "all of them"),
            ("http://localhost:8001/kv", "http://host:port"),
            ("user@localhost:8001", "http://host:port"),
            ("local host:8001", "http://host:port"),
            (":8001", "http://host:port"),
            ("localhost:99999", ""),
            ("", "names no member"),
            (" , ", "names no member"),
        ];
        for (text, reason) in cases {
            let error = Endpoint::parse_list(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}

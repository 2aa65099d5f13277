//! `host:port` as people write it, made comparable.

use std::fmt;
use std::net::IpAddr;

/// Where a member is reached: a host name or IP address, and a port.
///
/// Two spellings of one place are equal: host names are lower case, and `127.0.0.1` and `::1` are
/// `localhost` (rule 3.2). An IPv6 address is written in brackets, as in a URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// It begins with `http://` or another scheme.
    Scheme,
    /// There is no `:port` at its end.
    NoPort,
    /// What stands after the last colon is no number from 0 to 65535.
    BadPort,
    /// What stands before the port is neither a host name nor an IP address.
    BadHost,
}

/// A host name is at most this long (RFC 1035).
const HOST_BYTES_MAX: usize = 253;

const LOCALHOST: &str = "localhost";

impl Address {
    /// The port of this machine's loopback interface.
    pub fn localhost(port: u16) -> Address {
        Address { host: LOCALHOST.to_owned(), port }
    }

    /// The place a socket is bound to.
    pub fn of_ip(ip: IpAddr, port: u16) -> Address {
        Address { host: host_of_ip(ip), port }
    }

    /// Reads `host:port`.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        if text.contains("://") {
            return Err(AddressError::Scheme);
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
        let port = parse_port(port)?;
        Ok(Address { host: parse_host(host)?, port })
    }

    /// The host: a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same host at another port.
    pub fn with_port(&self, port: u16) -> Address {
        Address { host: self.host.clone(), port }
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(&self.host)
    }
}

/// Whether a host, as written in an address or a URL, names this machine's loopback interface.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    host.eq_ignore_ascii_case(LOCALHOST) || parse_ip(host).is_some_and(|ip| ip.is_loopback())
}

fn parse_port(port: &str) -> Result<u16, AddressError> {
    // `u16::from_str` takes a plus sign; people do not write one.
    if port.starts_with('+') {
        return Err(AddressError::BadPort);
    }
    port.parse().map_err(|_| AddressError::BadPort)
}

fn parse_host(host: &str) -> Result<String, AddressError> {
    if let Some(ip) = parse_ip(host) {
        return Ok(host_of_ip(ip));
    }
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.bytes().all(is_host_byte) {
        return Err(AddressError::BadHost);
    }
    Ok(host.to_ascii_lowercase())
}

fn parse_ip(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

/// Underscores are no part of a DNS name, yet Docker Compose makes such names.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

fn host_of_ip(ip: IpAddr) -> String {
    match ip {
        _ if ip == IpAddr::from([127, 0, 0, 1]) => LOCALHOST.to_owned(),
        IpAddr::V6(v6) if v6.is_loopback() => LOCALHOST.to_owned(),
        IpAddr::V6(v6) => format!("[{v6}]"),
        IpAddr::V4(v4) => v4.to_string(),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressError::Scheme => "write HOST:PORT, without a scheme such as http://",
            AddressError::NoPort => "write HOST:PORT; the port is missing",
            AddressError::BadPort => "the port must be a number from 0 to 65535",
            AddressError::BadHost => {
                "the host must be a name or an IP address (IPv6 in brackets: [::1]:8001)"
            }
        })
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_place_are_equal() {
        for (written, read) in [
            ("localhost:8001", "localhost:8001"),
            ("LocalHost:8001", "localhost:8001"),
            ("127.0.0.1:8001", "localhost:8001"),
            ("[::1]:8001", "localhost:8001"),
            ("127.0.0.2:8001", "127.0.0.2:8001"),
            ("Node-1.Example:1", "node-1.example:1"),
            ("raft_kv.1:1", "raft_kv.1:1"),
            ("[FE80::0:1]:65535", "[fe80::1]:65535"),
        ] {
            assert_eq!(Address::parse(written).map(|a| a.to_string()), Ok(read.to_owned()));
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        for (written, why) in [
            ("", AddressError::NoPort),
            ("localhost", AddressError::NoPort),
            ("http://localhost:8001", AddressError::Scheme),
            ("localhost:", AddressError::BadPort),
            ("localhost:65536", AddressError::BadPort),
            ("localhost:+1", AddressError::BadPort),
            ("localhost:http", AddressError::BadPort),
            (":8001", AddressError::BadHost),
            ("a b:8001", AddressError::BadHost),
            ("::1:8001", AddressError::BadHost),
            ("[::1:8001", AddressError::BadHost),
            ("[127.0.0.1]:8001", AddressError::BadHost),
        ] {
            assert_eq!(Address::parse(written), Err(why), "{written:?}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        let loopback = |text| Address::parse(text).unwrap().is_loopback();
        assert!(loopback("localhost:1") && loopback("127.3.4.5:1") && loopback("[::1]:1"));
        assert!(!loopback("10.0.0.1:1") && !loopback("example.org:1") && !loopback("0.0.0.0:1"));
    }
}

//! Listeners for those who only look after a member: probes and metrics.

use std::net::SocketAddr;

use super::ConfigError;

/// A member has so many of them at most.
const LISTENERS_MAX: usize = 8;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsListener {
    /// Where to bind.
    pub address: SocketAddr,
    /// TLS, as for clients; else plain text, wherever it leads: nothing that is stored goes there.
    pub tls: bool,
}

/// As addresses or as URLs. `taken` is where everything is served.
pub(super) fn parse(
    written: &[String],
    speaks_tls: bool,
    taken: SocketAddr,
) -> Result<Vec<MetricsListener>, ConfigError> {
    if written.len() > LISTENERS_MAX {
        return Err(ConfigError::TooManyMetricsListeners(written.len()));
    }
    let mut listeners: Vec<MetricsListener> = Vec::new();
    for text in written {
        let listener = parse_one(text).ok_or_else(|| ConfigError::MetricsListen(text.clone()))?;
        if listener.tls && !speaks_tls {
            return Err(ConfigError::Needs(
                "--metrics-listen https://…",
                "--cert-file FILE and --key-file FILE",
            ));
        }
        let addresses = listeners.iter().map(|other| other.address).chain([taken]);
        if addresses.into_iter().any(|other| other == listener.address) {
            return Err(ConfigError::MetricsListenTaken(listener.address));
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

fn parse_one(text: &str) -> Option<MetricsListener> {
    let text = text.trim().trim_end_matches('/');
    let (tls, address) = match text.strip_prefix("https://") {
        Some(address) => (true, address),
        None => (false, text.strip_prefix("http://").unwrap_or(text)),
    };
    let address = match address.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => address.to_owned(),
    };
    let address: SocketAddr = address.parse().ok()?;
    // Where the system chooses a port nobody finds it.
    (address.port() != 0).then_some(MetricsListener { address, tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(written: &[&str], speaks_tls: bool) -> Result<Vec<(String, bool)>, ConfigError> {
        let written: Vec<String> = written.iter().map(|&text| text.to_owned()).collect();
        let listeners = parse(&written, speaks_tls, "127.0.0.1:8001".parse().unwrap())?;
        Ok(listeners.iter().map(|it| (it.address.to_string(), it.tls)).collect())
    }

    #[test]
    fn plain_text_may_leave_this_machine_and_tls_is_asked_for_by_its_scheme() {
        let found = parsed(&["0.0.0.0:8081", "http://localhost:1/", "https://[::]:2"], true);
        let expected = [("0.0.0.0:8081", false), ("127.0.0.1:1", false), ("[::]:2", true)];
        assert_eq!(found, Ok(expected.map(|(address, tls)| (address.to_owned(), tls)).into()));
    }

    #[test]
    fn what_nobody_could_find_or_is_somebody_elses_is_refused() {
        for wrong in ["8081", "0.0.0.0", "kv.example:8081", "127.0.0.1:0", "ftp://127.0.0.1:1"] {
            assert_eq!(parsed(&[wrong], true), Err(ConfigError::MetricsListen(wrong.to_owned())));
        }
        assert!(matches!(parsed(&["https://127.0.0.1:1"], false), Err(ConfigError::Needs(..))));
        let taken = |text: &str| Err(ConfigError::MetricsListenTaken(text.parse().unwrap()));
        assert_eq!(parsed(&["127.0.0.1:8001"], false), taken("127.0.0.1:8001"));
        assert_eq!(parsed(&["127.0.0.1:1", "http://127.0.0.1:1"], false), taken("127.0.0.1:1"));
        let many = vec!["127.0.0.1:1"; 9];
        assert_eq!(parsed(&many, false), Err(ConfigError::TooManyMetricsListeners(9)));
    }
}

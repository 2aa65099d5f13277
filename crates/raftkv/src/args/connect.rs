//! How a command reaches a cluster, and on whose behalf.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use client::{Endpoint, Tls};

use super::Format;
use super::auth::AsUser;

/// Where `raftkv dev` puts its members, and so where a client looks unless it is told otherwise.
const ENDPOINTS_DEFAULT: &str = "http://localhost:8001,http://localhost:8002,http://localhost:8003";

/// How a cluster is reached.
#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// Members to talk to, separated by commas; any one of them will do
    /// [default: http://localhost:8001, 8002 and 8003]
    #[arg(long, visible_alias = "node", env = "RAFTKV_ENDPOINTS", value_name = "URL,…")]
    endpoints: Option<Endpoints>,
    /// Speak for this user, while authentication is on; the password is asked for if it is left
    /// out. Other users of this machine see what a command is given: better by RAFTKV_USER
    #[arg(
        long = "user",
        env = "RAFTKV_USER",
        hide_env_values = true,
        value_name = "NAME[:PASSWORD]"
    )]
    pub(crate) as_user: Option<AsUser>,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    /// Give up after this long: 5s, 500ms
    #[arg(
        long,
        env = "RAFTKV_TIMEOUT",
        value_name = "TIME",
        default_value = "5s",
        value_parser = parse_duration
    )]
    pub(crate) timeout: Duration,
    /// How to print the answer; for people if absent
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
}

/// How members behind https:// are known, and what they are shown.
#[derive(Debug, Args, Default)]
pub(crate) struct TlsArgs {
    /// CAs that sign the members' certificates, in PEM [default: those that this machine trusts]
    #[arg(long = "cacert", env = "RAFTKV_CACERT", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Certificate to show, in PEM
    #[arg(
        long = "cert",
        env = "RAFTKV_CERT",
        value_name = "FILE",
        requires = "key_file",
        id = "cert_file"
    )]
    pub(crate) cert_file: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(
        long = "cert-key",
        env = "RAFTKV_CERT_KEY",
        value_name = "FILE",
        requires = "cert_file",
        id = "key_file"
    )]
    pub(crate) key_file: Option<PathBuf>,
    /// Take any certificate: whoever stands in between reads and changes everything
    #[arg(long, env = "RAFTKV_INSECURE_SKIP_TLS_VERIFY", conflicts_with = "ca_file")]
    pub(crate) insecure_skip_tls_verify: bool,
}

impl TlsArgs {
    /// What was said; nothing if nothing was.
    pub(crate) fn said(&self) -> Option<Tls> {
        let pair = self.cert_file.clone().zip(self.key_file.clone());
        let ca_file = self.ca_file.clone();
        let tls = Tls { ca_file, pair, skip_verify: self.insecure_skip_tls_verify };
        (tls != Tls::default()).then_some(tls)
    }
}

impl ConnectArgs {
    /// The members that were named, if any were.
    pub(crate) fn named_endpoints(&self) -> Option<&[Endpoint]> {
        self.endpoints.as_ref().map(|endpoints| endpoints.0.as_slice())
    }

    /// The members to talk to.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let default = || Endpoint::parse_list(ENDPOINTS_DEFAULT).expect("a constant, and tested");
        self.named_endpoints().map_or_else(default, <[Endpoint]>::to_vec)
    }
}

/// At least one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoints(Vec<Endpoint>);

impl FromStr for Endpoints {
    type Err = client::Error;

    fn from_str(text: &str) -> Result<Endpoints, client::Error> {
        Endpoint::parse_list(text).map(Endpoints)
    }
}

/// `5s`, `500ms`, `2m`; a bare number is seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit_ms) = [("ms", 1), ("s", 1_000), ("m", 60_000)]
        .into_iter()
        .find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, ms)))
        .unwrap_or((text, 1_000));
    let number: u64 = number.parse().map_err(|_| "write it as 5s, 500ms or 1m".to_owned())?;
    match number.checked_mul(unit_ms) {
        Some(ms) if (1..=CALL_TIMEOUT_MS_MAX).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err("it must be from 1ms to 60s".to_owned()),
    }
}

/// As long as members accept.
const CALL_TIMEOUT_MS_MAX: u64 = client::Options::TIMEOUT_MAX.as_secs() * 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [("5s", 5_000), ("500ms", 500), ("1m", 60_000), ("2", 2_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "0s", "-1s", "1h", "2m", "1.5s", "18446744073709551615s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}

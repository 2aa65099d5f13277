//! How traffic is encrypted, and who must show a certificate: what was written, made consistent.

use std::path::{Path, PathBuf};

use super::{ConfigError, Raw};

/// Where the pair lies that `--auto-tls` makes, below the data directory.
const OWN_MADE_DIR: &str = "tls";

/// All of it; with nothing in it, a member speaks and takes plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsWays {
    /// For clients; none: they come in plain text.
    pub clients: Option<ClientTls>,
    /// Between members; none: plain text.
    pub peers: Option<PeerTls>,
    /// This pair is made at start, unless it is there and good for a while.
    pub own_made: Option<PairFiles>,
}

/// A certificate, with those that vouch for it, and its key: two files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// The certificate first.
    pub cert_file: PathBuf,
    /// PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key_file: PathBuf,
}

/// What clients are shown, and have to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// What they are shown.
    pub pair: PairFiles,
    /// Who signs the certificates of clients; none: they are not asked for one.
    pub ca_file: Option<PathBuf>,
    /// Whoever shows no certificate is refused.
    pub must_show: bool,
}

/// What members show each other, and have to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTls {
    /// Shown by whoever dials and by whoever is dialled.
    pub pair: PairFiles,
    /// Whom a member lets in, and dials.
    pub trust: PeerTrust,
}

/// Which certificates make a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerTrust {
    /// No other than this member's own: it is alone.
    Itself,
    /// Those that this CA signed.
    Signed {
        /// The CA's certificate, or several.
        ca_file: PathBuf,
        /// They must bear one of these names; empty: whoever is dialled bears the name of its
        /// address, and whoever dials any.
        allowed_names: Vec<String>,
    },
    /// Any, or none: encrypted, but nobody knows with whom.
    Anyone,
}

/// What was written, taken out of [`Raw`].
#[derive(Debug)]
pub(super) struct RawTls {
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    client_ca_file: Option<PathBuf>,
    client_cert_auth: bool,
    peer_cert_file: Option<PathBuf>,
    peer_key_file: Option<PathBuf>,
    peer_ca_file: Option<PathBuf>,
    peer_allowed_names: Vec<String>,
    auto_tls: bool,
}

/// What else there is to know of the member.
pub(super) struct Around<'a> {
    pub(super) data_dir: &'a Path,
    /// It has others to speak to, or to be.
    pub(super) has_peers: bool,
    pub(super) insecure: bool,
}

impl RawTls {
    pub(super) fn of(raw: &mut Raw) -> RawTls {
        RawTls {
            cert_file: raw.cert_file.take(),
            key_file: raw.key_file.take(),
            client_ca_file: raw.client_ca_file.take(),
            client_cert_auth: raw.client_cert_auth.unwrap_or(false),
            peer_cert_file: raw.peer_cert_file.take(),
            peer_key_file: raw.peer_key_file.take(),
            peer_ca_file: raw.peer_ca_file.take(),
            peer_allowed_names: raw.peer_allowed_names.take().unwrap_or_default(),
            auto_tls: raw.auto_tls.unwrap_or(false),
        }
    }

    /// One port serves clients and members, so both speak TLS, or neither does.
    pub(super) fn resolve(self, around: &Around<'_>) -> Result<TlsWays, ConfigError> {
        let written = pair(("--cert-file", &self.cert_file), ("--key-file", &self.key_file))?;
        let own_made = self.auto_tls.then(|| own_made(around.data_dir));
        let pair = match (written, &own_made) {
            (Some(_), Some(_)) => return Err(ConfigError::TwoCertificates),
            (Some(pair), None) => pair,
            (None, Some(pair)) => pair.clone(),
            (None, None) => return self.refuse_rest(),
        };
        if self.client_cert_auth && self.client_ca_file.is_none() {
            return Err(ConfigError::Needs("--client-cert-auth", "--client-ca-file FILE"));
        }
        let peers = self.peers(&pair, around)?;
        let (ca_file, must_show) = (self.client_ca_file, self.client_cert_auth);
        let clients = Some(ClientTls { pair, ca_file, must_show });
        Ok(TlsWays { clients, peers: Some(peers), own_made })
    }

    /// What is said about TLS must not be passed over because there is none.
    fn refuse_rest(&self) -> Result<TlsWays, ConfigError> {
        let said = [
            ("--client-ca-file", self.client_ca_file.is_some()),
            ("--client-cert-auth", self.client_cert_auth),
            ("--peer-cert-file", self.peer_cert_file.is_some()),
            ("--peer-key-file", self.peer_key_file.is_some()),
            ("--peer-ca-file", self.peer_ca_file.is_some()),
            ("--peer-allowed-names", !self.peer_allowed_names.is_empty()),
        ];
        match said.iter().find(|(_, is_said)| *is_said) {
            Some((setting, _)) => {
                Err(ConfigError::Needs(setting, "--cert-file FILE and --key-file FILE"))
            }
            None => Ok(TlsWays::default()),
        }
    }

    fn peers(&self, clients: &PairFiles, around: &Around<'_>) -> Result<PeerTls, ConfigError> {
        let written = pair(
            ("--peer-cert-file", &self.peer_cert_file),
            ("--peer-key-file", &self.peer_key_file),
        )?;
        let pair = written.unwrap_or_else(|| clients.clone());
        let ca_file = self.peer_ca_file.clone().or_else(|| self.client_ca_file.clone());
        let trust = match ca_file {
            Some(ca_file) => {
                let allowed_names = self.peer_allowed_names.clone();
                PeerTrust::Signed { ca_file, allowed_names }
            }
            None if !self.peer_allowed_names.is_empty() => {
                return Err(ConfigError::Needs("--peer-allowed-names", "--peer-ca-file FILE"));
            }
            None if !around.has_peers => PeerTrust::Itself,
            None if self.auto_tls && around.insecure => PeerTrust::Anyone,
            None => return Err(ConfigError::NoPeerCa { auto_tls: self.auto_tls }),
        };
        Ok(PeerTls { pair, trust })
    }
}

/// The pair that a member makes for itself.
pub fn own_made(data_dir: &Path) -> PairFiles {
    let directory = data_dir.join(OWN_MADE_DIR);
    PairFiles { cert_file: directory.join("own.crt"), key_file: directory.join("own.key") }
}

type Written<'a> = (&'static str, &'a Option<PathBuf>);

fn pair(cert: Written<'_>, key: Written<'_>) -> Result<Option<PairFiles>, ConfigError> {
    match (cert.1, key.1) {
        (Some(cert_file), Some(key_file)) => {
            let (cert_file, key_file) = (cert_file.clone(), key_file.clone());
            Ok(Some(PairFiles { cert_file, key_file }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigError::Needs(cert.0, key.0)),
        (None, Some(_)) => Err(ConfigError::Needs(key.0, cert.0)),
    }
}

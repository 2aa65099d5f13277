//! One reading of all files, as what rustls runs with.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ConfigBuilder, ConfigSide, ServerConfig, WantsVerifier};

use super::facts::Facts;
use super::files::{TlsError, Why, authorities, pair};
use super::trust::{PeerVerifier, Trust};
use super::{CLIENT_PROTOCOLS, PEER_PROTOCOL};
use crate::config::{ClientTls, PeerTls, PeerTrust, TlsWays};

/// What a member shows and asks for, at one time.
#[derive(Debug)]
pub(super) struct Identity {
    /// For clients who come; none: they speak plain text.
    pub(super) clients: Option<Arc<ServerConfig>>,
    /// For peers; none: they speak plain text.
    pub(super) peers: Option<PeerIdentity>,
    /// Of each certificate that is shown, with its file.
    pub(super) shown: Vec<(PathBuf, Facts)>,
}

/// The two sides of one peer.
#[derive(Debug)]
pub(super) struct PeerIdentity {
    pub(super) accepts: Arc<ServerConfig>,
    pub(super) dials: Arc<ClientConfig>,
}

impl Identity {
    /// As the files have it now.
    pub(super) fn read(ways: &TlsWays) -> Result<Identity, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut shown = Vec::new();
        let mut note = |file: &PathBuf, pair: &CertifiedKey| {
            let facts = pair.cert.first().and_then(Facts::of);
            if !shown.iter().any(|(noted, _)| noted == file) {
                shown.extend(facts.map(|facts| (file.clone(), facts)));
            }
        };
        let clients = match &ways.clients {
            Some(clients) => {
                let certified = pair(&clients.pair)?;
                note(&clients.pair.cert_file, &certified);
                Some(Arc::new(for_clients(clients, certified, &provider)?))
            }
            None => None,
        };
        let peers = match &ways.peers {
            Some(peers) => {
                let certified = pair(&peers.pair)?;
                note(&peers.pair.cert_file, &certified);
                Some(for_peers(peers, &certified, &provider)?)
            }
            None => None,
        };
        Ok(Identity { clients, peers, shown })
    }
}

fn for_clients(
    clients: &ClientTls,
    pair: Arc<CertifiedKey>,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, TlsError> {
    let begun = begun(ServerConfig::builder_with_provider(Arc::clone(provider)));
    let shows = Arc::new(SingleCertAndKey::from(pair));
    let mut config = match &clients.ca_file {
        None => begun.with_no_client_auth().with_cert_resolver(shows),
        Some(ca_file) => {
            let authorities = authorities(ca_file)?;
            let verifier =
                WebPkiClientVerifier::builder_with_provider(authorities, Arc::clone(provider));
            let verifier = match clients.must_show {
                true => verifier,
                false => verifier.allow_unauthenticated(),
            };
            let verifier = verifier.build().expect("a file of authorities holds at least one");
            let config = begun.with_client_cert_verifier(verifier).with_cert_resolver(shows);
            without_resumption(config)
        }
    };
    config.alpn_protocols = CLIENT_PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn for_peers(
    peers: &PeerTls,
    pair: &Arc<CertifiedKey>,
    provider: &Arc<CryptoProvider>,
) -> Result<PeerIdentity, TlsError> {
    let own = pair.cert.first().expect("a pair has a certificate").clone();
    let trust = match &peers.trust {
        PeerTrust::Itself => Trust::Itself,
        PeerTrust::Anyone => Trust::Anyone,
        PeerTrust::Signed { ca_file, allowed_names } => {
            let allowed = allowed_names.iter().map(|name| {
                ServerName::try_from(name.clone()).map_err(|_| {
                    let reason = format!("no certificate can bear the allowed name {name:?}");
                    TlsError::new(ca_file, Why::Broken(reason))
                })
            });
            Trust::signed(authorities(ca_file)?, allowed.collect::<Result<_, _>>()?, provider)
        }
    };
    let verifier = Arc::new(PeerVerifier::new(own, trust, provider));
    let shows = Arc::new(SingleCertAndKey::from(Arc::clone(pair)));
    let accepts = begun(ServerConfig::builder_with_provider(Arc::clone(provider)))
        .with_client_cert_verifier(Arc::clone(&verifier) as _)
        .with_cert_resolver(Arc::clone(&shows) as _);
    let mut accepts = without_resumption(accepts);
    accepts.alpn_protocols = vec![PEER_PROTOCOL.to_vec()];
    let mut dials = begun(ClientConfig::builder_with_provider(Arc::clone(provider)))
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(shows);
    dials.resumption = Resumption::disabled();
    dials.alpn_protocols = vec![PEER_PROTOCOL.to_vec()];
    Ok(PeerIdentity { accepts: Arc::new(accepts), dials: Arc::new(dials) })
}

/// TLS 1.2 and 1.3: rustls knows no older ones, and neither are they to come by themselves.
fn begun<Side: ConfigSide>(
    builder: ConfigBuilder<Side, rustls::WantsVersions>,
) -> ConfigBuilder<Side, WantsVerifier> {
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    builder.with_protocol_versions(&versions).expect("ring speaks both")
}

/// Whoever comes again shows a certificate again, and it is looked at again.
fn without_resumption(mut config: ServerConfig) -> ServerConfig {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

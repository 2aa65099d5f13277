//! Which certificates make a peer: of whoever dials, and of whoever is dialled.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

/// Names of the loopback interface: one place, as everywhere where members are named (rule 3.2).
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Verifies peers. This member's own certificate is always one: it asks itself, too, at whatever
/// address it listens.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    own: CertificateDer<'static>,
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
pub(super) enum Trust {
    Itself,
    Signed {
        authorities: Arc<RootCertStore>,
        /// Verifies those who dial, but for their names.
        clients: Arc<dyn ClientCertVerifier>,
        allowed: Vec<ServerName<'static>>,
    },
    Anyone,
}

impl Trust {
    pub(super) fn signed(
        authorities: Arc<RootCertStore>,
        allowed: Vec<ServerName<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Trust {
        let of = (Arc::clone(&authorities), Arc::clone(provider));
        let clients = WebPkiClientVerifier::builder_with_provider(of.0, of.1).build();
        let clients = clients.expect("a file of authorities holds at least one");
        Trust::Signed { authorities, clients, allowed }
    }
}

impl PeerVerifier {
    pub(super) fn new(
        own: CertificateDer<'static>,
        trust: Trust,
        provider: &CryptoProvider,
    ) -> PeerVerifier {
        PeerVerifier { own, trust, algorithms: provider.signature_verification_algorithms }
    }
}

/// Whether the certificate bears one of the names.
fn bears_one(certificate: &CertificateDer<'_>, names: &[ServerName<'_>]) -> Result<(), Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let mut refused = Error::InvalidCertificate(CertificateError::NotValidForName);
    for name in names {
        match verify_server_name(&parsed, name) {
            Ok(()) => return Ok(()),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// A name, and the others of the same place.
fn names_of<'a>(name: &ServerName<'a>) -> Vec<ServerName<'a>> {
    let loopback = || LOOPBACK_NAMES.iter().filter_map(|&name| ServerName::try_from(name).ok());
    match loopback().any(|other| other == *name) {
        true => loopback().collect(),
        false => vec![name.clone()],
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.own {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.trust {
            Trust::Anyone => {}
            Trust::Itself => return Err(CertificateError::UnknownIssuer.into()),
            Trust::Signed { authorities, allowed, .. } => {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                let algorithms = self.algorithms.all;
                verify_server_cert_signed_by_trust_anchor(
                    &parsed,
                    authorities,
                    intermediates,
                    now,
                    algorithms,
                )?;
                match allowed.is_empty() {
                    true => bears_one(end_entity, &names_of(server_name))?,
                    false => bears_one(end_entity, allowed)?,
                }
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn client_auth_mandatory(&self) -> bool {
        !matches!(self.trust, Trust::Anyone)
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // None: a member shows its one certificate, whatever is asked for.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if *end_entity == self.own {
            return Ok(ClientCertVerified::assertion());
        }
        match &self.trust {
            Trust::Anyone => {}
            Trust::Itself => return Err(CertificateError::UnknownIssuer.into()),
            Trust::Signed { clients, allowed, .. } => {
                clients.verify_client_cert(end_entity, intermediates, now)?;
                if !allowed.is_empty() {
                    bears_one(end_entity, allowed)?;
                }
            }
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

//! Members behind TLS: whom the client trusts, and what it shows.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};

use crate::Error;

/// How members behind TLS are known, and what they are shown. `Tls::default()` trusts whom this
/// machine trusts, and shows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The CAs that sign the members' certificates, as a file in PEM; none: those of this machine.
    pub ca_file: Option<PathBuf>,
    /// A certificate to show, and its key, as files in PEM.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// Take any certificate: whoever stands in between reads and changes everything.
    pub skip_verify: bool,
}

impl Tls {
    pub(crate) fn config(&self) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = versions(&provider);
        let builder = match self.skip_verify {
            true => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(TakesAny(provider)))
            }
            false => builder.with_root_certificates(self.authorities()?),
        };
        match &self.pair {
            None => Ok(builder.with_no_client_auth()),
            Some((cert_file, key_file)) => {
                let chain = certificates(cert_file)?;
                let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| {
                    invalid(key_file, format!("there is no key in it that can be used: {error}"))
                })?;
                let config = builder.with_client_auth_cert(chain, key);
                config.map_err(|error| {
                    let reason = format!("not the key of {}: {error}", cert_file.display());
                    invalid(key_file, reason)
                })
            }
        }
    }

    fn authorities(&self) -> Result<RootCertStore, Error> {
        let mut authorities = RootCertStore::empty();
        match &self.ca_file {
            Some(file) => {
                for certificate in certificates(file)? {
                    let added = authorities.add(certificate);
                    added.map_err(|error| invalid(file, error.to_string()))?;
                }
            }
            None => {
                // What can not be used of them was no CA's, to this client: nobody is let in by it.
                let certs = rustls_native_certs::load_native_certs().certs;
                authorities.add_parsable_certificates(certs);
            }
        }
        Ok(authorities)
    }
}

/// A client that never meets TLS needs nobody to trust.
pub(crate) fn trusts_nobody() -> ClientConfig {
    versions(&Arc::new(ring::default_provider()))
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

fn versions(
    provider: &Arc<CryptoProvider>,
) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&versions)
        .expect("ring speaks both")
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let read: Vec<_> = read.map_err(|error| invalid(file, format!("can not be read: {error}")))?;
    match read.is_empty() {
        true => Err(invalid(file, "there is no certificate in it (PEM)".to_owned())),
        false => Ok(read),
    }
}

fn invalid(file: &Path, reason: String) -> Error {
    Error::InvalidTls { file: file.to_owned(), reason }
}

/// What rustls says below an error of the system.
pub(crate) fn below(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    // Whoever hands such an error on wraps it once more.
    inner.downcast_ref().or_else(|| below(inner.downcast_ref()?))
}

/// Whether the member refused the handshake (a certificate of another CA by the name of its own
/// is a signature that it can not decrypt): then it has read nothing of what was sent after it.
pub(crate) fn is_refusal(error: &rustls::Error) -> bool {
    use AlertDescription as A;
    matches!(
        error,
        rustls::Error::AlertReceived(
            A::CertificateRequired
                | A::BadCertificate
                | A::UnsupportedCertificate
                | A::CertificateRevoked
                | A::CertificateExpired
                | A::CertificateUnknown
                | A::UnknownCA
                | A::DecryptError
                | A::AccessDenied
                | A::HandshakeFailure
                | A::NoApplicationProtocol
                | A::ProtocolVersion
        )
    )
}

/// What is wrong, and what to do.
pub(crate) fn in_words(error: &rustls::Error) -> String {
    use CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "its certificate is signed by nobody whom this client trusts: name its CA (--cacert)"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        rustls::Error::InvalidCertificate(
            C::NotValidForName | C::NotValidForNameContext { .. },
        ) => {
            format!("its certificate is not for the name it was called by: {error}")
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it takes no clients without a certificate (--cert, --cert-key)".to_owned()
        }
        rustls::Error::InvalidMessage(_) => "it speaks no TLS: use http://".to_owned(),
        error if is_refusal(error) => format!("it does not take this client: {error}"),
        error => format!("TLS: {error}"),
    }
}

/// Takes every certificate, because the user said so.
#[derive(Debug)]
struct TakesAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a member's certificate is told apart, and nothing of it is a refusal that
    /// the member gave: it has read nothing either way.
    #[test]
    fn each_thing_that_is_wrong_with_a_certificate_has_its_words() {
        use CertificateError as C;
        let of = |wrong| in_words(&rustls::Error::InvalidCertificate(wrong));
        for (wrong, words) in [
            (C::Expired, "has expired"),
            (C::UnknownIssuer, "signed by nobody whom this client trusts"),
            (C::NotValidForName, "not for the name it was called by"),
            (C::NotValidYet, "TLS: "),
            (C::Revoked, "TLS: "),
        ] {
            let told = of(wrong);
            assert!(told.contains(words), "{words}: {told}");
        }
        use AlertDescription as A;
        for (alert, words) in [
            (A::CertificateRequired, "no clients without a certificate"),
            (A::UnknownCA, "does not take this client"),
            (A::CertificateExpired, "does not take this client"),
        ] {
            let error = rustls::Error::AlertReceived(alert);
            assert!(is_refusal(&error) && in_words(&error).contains(words), "{error:?}");
        }
        let other = rustls::Error::InvalidCertificate(C::Expired);
        assert!(!is_refusal(&other) && !is_refusal(&rustls::Error::AlertReceived(A::UserCanceled)));
    }
}

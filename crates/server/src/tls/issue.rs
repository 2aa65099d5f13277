//! Certificates that are made here: for a first try, and for development (`raftkv cert`).

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// Clocks differ: a certificate counts from so long before it is made.
const CLOCK_ERROR_MAX: Duration = Duration::from_secs(60 * 60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// PEM has lines of so many characters (RFC 7468).
const LINE_CHARACTERS: usize = 64;

/// What a certificate is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose it is: its common name.
    pub name: String,
    /// Host names and IP addresses by which it is reached; none of somebody who only dials.
    pub hosts: Vec<String>,
    /// For how long it counts, in days.
    pub days: u32,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Made {
    /// The certificate.
    pub certificate: String,
    /// PKCS #8. To be kept secret.
    pub key: String,
}

/// A CA.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

/// Whether a certificate can be for this: a host name, an IP address, or `*.` and a name.
pub fn is_host(text: &str) -> bool {
    let name = text.strip_prefix("*.").filter(|name| name.parse::<IpAddr>().is_err());
    ServerName::try_from(name.unwrap_or(text)).is_ok()
}

impl Authority {
    /// A new one, which signs certificates but no other CA's.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn make(wanted: &Wanted) -> Result<Made, Error> {
        let mut params = params(wanted)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        Ok(Made::of(params.self_signed(&key)?.der(), &key))
    }

    /// One that was made before.
    ///
    /// # Errors
    /// One of the two is not what it should be; in words.
    pub fn read(certificate: &[u8], key: &[u8]) -> Result<Authority, String> {
        let certificate = CertificateDer::from_pem_slice(certificate)
            .map_err(|error| format!("its certificate can not be read: {error}"))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| format!("its key can not be read: {error}"))?;
        let key =
            KeyPair::try_from(&key).map_err(|error| format!("its key can not be used: {error}"))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|error| format!("its certificate can not be used: {error}"))?;
        Ok(Authority { issuer })
    }

    /// Signs a new certificate: of somebody who dials, and is dialled if there are hosts.
    ///
    /// # Errors
    /// A host is none, or there is no randomness.
    pub fn issue(&self, wanted: &Wanted) -> Result<Made, Error> {
        let key = KeyPair::generate()?;
        Ok(Made::of(leaf(wanted)?.signed_by(&key, &self.issuer)?.der(), &key))
    }
}

#[cfg(test)]
impl Authority {
    /// One that counts no more.
    pub(super) fn issue_expired(&self, wanted: &Wanted) -> Result<Made, Error> {
        let key = KeyPair::generate()?;
        let mut params = leaf(wanted)?;
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        Ok(Made::of(params.signed_by(&key, &self.issuer)?.der(), &key))
    }
}

impl Made {
    /// One that nobody signs but itself.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub(super) fn by_itself(wanted: &Wanted) -> Result<Made, Error> {
        let key = KeyPair::generate()?;
        Ok(Made::of(leaf(wanted)?.self_signed(&key)?.der(), &key))
    }

    fn of(certificate: &CertificateDer<'_>, key: &KeyPair) -> Made {
        Made {
            certificate: pem("CERTIFICATE", certificate),
            key: pem("PRIVATE KEY", key.serialized_der()),
        }
    }
}

fn leaf(wanted: &Wanted) -> Result<CertificateParams, Error> {
    let mut params = params(wanted)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match wanted.hosts.is_empty() {
        true => vec![ExtendedKeyUsagePurpose::ClientAuth],
        false => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
    };
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn params(wanted: &Wanted) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(wanted.hosts.clone())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, wanted.name.as_str());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(CLOCK_ERROR_MAX);
    params.not_after = epoch + now + DAY * wanted.days;
    Ok(params)
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(LINE_CHARACTERS) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

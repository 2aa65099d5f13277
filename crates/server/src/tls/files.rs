//! Certificates and keys, as they lie on the disk: PEM.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::PairFiles;

/// A longer file is none of certificates; the bundles of whole operating systems are shorter.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a file can not be used.
#[derive(Debug)]
pub struct TlsError {
    file: PathBuf,
    why: Why,
}

#[derive(Debug)]
pub(super) enum Why {
    Unreadable(io::Error),
    TooLong,
    NoCertificate,
    NoKey,
    Broken(String),
    OtherKey { key_file: PathBuf },
    Unusable(rustls::Error),
    Unwritable(io::Error),
}

impl TlsError {
    pub(super) fn new(file: &Path, why: Why) -> TlsError {
        TlsError { file: file.to_owned(), why }
    }
}

/// The certificates in a file, in order; at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates
        .map_err(|error| TlsError::new(file, Why::Broken(format!("not PEM: {error}"))))?;
    match certificates.is_empty() {
        true => Err(TlsError::new(file, Why::NoCertificate)),
        false => Ok(certificates),
    }
}

/// Those whom a file says to trust.
pub(super) fn authorities(file: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut authorities = RootCertStore::empty();
    for certificate in certificates(file)? {
        let added = authorities.add(certificate);
        added.map_err(|error| TlsError::new(file, Why::Unusable(error)))?;
    }
    Ok(Arc::new(authorities))
}

/// A certificate and its key, which belong together.
pub(super) fn pair(files: &PairFiles) -> Result<Arc<CertifiedKey>, TlsError> {
    let (cert_file, key_file) = (&files.cert_file, &files.key_file);
    let chain = certificates(cert_file)?;
    let text = read(key_file)?;
    let key =
        PrivateKeyDer::from_pem_slice(&text).map_err(|_| TlsError::new(key_file, Why::NoKey))?;
    let key = ring::sign::any_supported_type(&key)
        .map_err(|error| TlsError::new(key_file, Why::Unusable(error)))?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        // Of some kinds of keys it can not be told.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Arc::new(pair))
        }
        Err(rustls::Error::InconsistentKeys(_)) => {
            let why = Why::OtherKey { key_file: key_file.clone() };
            Err(TlsError::new(cert_file, why))
        }
        Err(error) => Err(TlsError::new(cert_file, Why::Unusable(error))),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |error| TlsError::new(file, Why::Unreadable(error));
    let mut text = Vec::new();
    let opened = File::open(file).map_err(unreadable)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
    match text.len() as u64 > FILE_BYTES_MAX {
        true => Err(TlsError::new(file, Why::TooLong)),
        false => Ok(text),
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        match &self.why {
            Why::Unreadable(error) => write!(f, "can not be read: {error}"),
            Why::TooLong => {
                write!(f, "longer than {FILE_BYTES_MAX} bytes: no file of certificates")
            }
            Why::NoCertificate => {
                write!(f, "there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)")
            }
            Why::NoKey => write!(
                f,
                "there is no key in it that can be used (PEM, -----BEGIN PRIVATE KEY-----, not \
                 encrypted)"
            ),
            Why::Broken(reason) => write!(f, "{reason}"),
            Why::OtherKey { key_file } => {
                write!(f, "the key in {} is another certificate's", key_file.display())
            }
            Why::Unusable(error) => write!(f, "can not be used: {error}"),
            Why::Unwritable(error) => write!(f, "can not be written: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

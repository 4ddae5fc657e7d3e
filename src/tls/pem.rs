//! How does PEM text become certificates and keys?
//!
//! Invariants:
//! 1. Every error names its origin, and none repeats a secret.
//! 2. A file is read anew each time, so that a reload sees what is there now.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

use super::{Origin, TlsError};

/// PEM text, or the file that holds it.
#[derive(Clone)]
#[non_exhaustive]
pub enum Pem {
    /// A file, read when TLS is set up and at each reload.
    File(PathBuf),
    /// The text itself.
    Memory(Vec<u8>),
}

/// Does not show the text, which may be a key.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin().fmt(f)
    }
}

impl Pem {
    /// The file at this path.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// This text.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::Memory(text.into())
    }

    fn origin(&self) -> Origin {
        match self {
            Self::File(file) => Origin::File(file.clone()),
            Self::Memory(_) => Origin::Memory,
        }
    }

    fn read(&self) -> Result<Vec<u8>, TlsError> {
        let text = match self {
            Self::File(file) => std::fs::read(file).map_err(|source| TlsError::Read { file: file.clone(), source })?,
            Self::Memory(text) => text.clone(),
        };
        if text.trim_ascii().is_empty() { Err(TlsError::Empty(self.origin())) } else { Ok(text) }
    }

    /// All certificates, in order; at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = self.read()?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let certificates = certificates.map_err(|error| self.malformed(&error))?;
        if certificates.is_empty() { Err(TlsError::NoCertificate(self.origin())) } else { Ok(certificates) }
    }

    /// The first private key.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let text = self.read()?;
        if is_encrypted(&text) {
            return Err(TlsError::EncryptedKey(self.origin()));
        }
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey(self.origin()),
            error => self.malformed(&error),
        })
    }

    /// The certificates as authorities to trust.
    pub(super) fn authorities(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots
                .add(certificate)
                .map_err(|error| TlsError::Certificate { origin: self.origin(), reason: error.to_string() })?;
        }
        Ok(roots)
    }

    fn malformed(&self, error: &pem::Error) -> TlsError {
        let reason = match error {
            pem::Error::MissingSectionEnd { .. } => "a section has no end",
            pem::Error::IllegalSectionStart { .. } => "a section begins in a wrong way",
            pem::Error::Base64Decode(_) => "a section is not base64",
            _ => "it cannot be read",
        };
        TlsError::Pem { origin: self.origin(), reason: reason.to_owned() }
    }
}

/// A certificate with those that sign it, and its private key.
#[derive(Clone, Debug)]
pub struct Identity {
    certificate: Pem,
    key: Pem,
}

impl Identity {
    /// The server's certificate, followed by those between it and the authority, and its private key.
    pub fn new(certificate: Pem, key: Pem) -> Self {
        Self { certificate, key }
    }

    /// An identity that is kept in two files.
    pub fn files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self::new(Pem::file(certificate), Pem::file(key))
    }

    /// Reads both parts and checks that they belong together.
    pub(super) fn load(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let chain = self.certificate.certificates()?;
        let key = self.key.private_key()?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| TlsError::Key { origin: self.key.origin(), reason: error.to_string() })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(certified)),
            Err(Error::InconsistentKeys(_)) => {
                Err(TlsError::OtherKey { certificate: self.certificate.origin(), key: self.key.origin() })
            }
            Err(error) => Err(self.unusable(&error)),
        }
    }

    /// The error for a certificate of this identity.
    pub(super) fn unusable(&self, error: &dyn fmt::Display) -> TlsError {
        TlsError::Certificate { origin: self.certificate.origin(), reason: error.to_string() }
    }
}

/// Whether a key in this text asks for a password: in the form of PKCS #8, or in the older one of OpenSSL.
fn is_encrypted(text: &[u8]) -> bool {
    [&b"-----BEGIN ENCRYPTED PRIVATE KEY-----"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| text.windows(mark.len()).any(|window| window == *mark))
}

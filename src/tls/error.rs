//! What keeps TLS from being set up, and which file is to blame?

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why certificates, keys or authorities could not be used. None of the messages repeats what a file holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that is missing or may not be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing at all.
    #[error("{0} is empty")]
    Empty(Origin),
    /// A line that no PEM file has.
    #[error("{origin} is not valid PEM: {reason}")]
    Pem {
        /// Where it is.
        origin: Origin,
        /// What is wrong.
        reason: String,
    },
    /// No certificate where there should be one.
    #[error("{0} holds no certificate")]
    NoCertificate(Origin),
    /// No private key where there should be one.
    #[error("{0} holds no private key")]
    NoKey(Origin),
    /// A private key that asks for a password.
    #[error(
        "the private key in {0} is encrypted: write a decrypted copy with `openssl pkey -in FILE -out NEW` and use that"
    )]
    EncryptedKey(Origin),
    /// A private key of a kind that is not supported, or damaged.
    #[error("the private key in {origin} cannot be used: {reason}")]
    Key {
        /// Where it is.
        origin: Origin,
        /// What is wrong.
        reason: String,
    },
    /// A certificate that is damaged.
    #[error("a certificate in {origin} cannot be used: {reason}")]
    Certificate {
        /// Where it is.
        origin: Origin,
        /// What is wrong.
        reason: String,
    },
    /// The private key is not that of the certificate.
    #[error("the private key in {key} belongs to another certificate than the first one in {certificate}")]
    OtherKey {
        /// Where the certificate is.
        certificate: Origin,
        /// Where the key is.
        key: Origin,
    },
    /// The cryptography of this machine does not work: it has no randomness, for example.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// Where PEM text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// The program itself.
    Memory,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Memory => f.write_str("the given PEM text"),
        }
    }
}

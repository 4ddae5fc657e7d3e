//! Which certificate does a client see?
//!
//! The first one that is made out for the name that the client asks for; else the default one.
//!
//! Invariants:
//! 1. Every client sees a certificate, also one that asks for no name or for an unknown one.
//! 2. A certificate for the very name goes before one with a wildcard, and a wildcard stands for one label.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate;
use crate::Certificate;

/// A certificate that can be chosen.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) facts: Arc<Certificate>,
}

/// All certificates, by the names that they are made out for.
#[derive(Debug)]
pub(super) struct Chooser {
    default: Candidate,
    /// In lower case; those with a wildcard begin with a dot.
    names: HashMap<String, Candidate>,
}

impl Chooser {
    pub(super) fn new(default: Candidate, others: Vec<Candidate>) -> Self {
        let mut names = HashMap::new();
        for candidate in std::iter::once(&default).chain(&others) {
            for name in certificate::dns_names(&candidate.facts.der) {
                let name = name.to_ascii_lowercase();
                let name = name.strip_prefix('*').map_or(name.clone(), str::to_owned);
                names.entry(name).or_insert_with(|| candidate.clone());
            }
        }
        Self { default, names }
    }

    /// The certificate for a client that asks for this name.
    pub(super) fn choose(&self, name: Option<&str>) -> &Candidate {
        let by_name = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let wildcard = name.find('.').and_then(|dot| self.names.get(&name[dot..]));
            self.names.get(&name).or(wildcard)
        });
        by_name.unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.choose(hello.server_name()).key))
    }
}

//! Which rules is TLS spoken by?

use std::sync::{Arc, RwLock};

use rustls::crypto::ring;
use rustls::server::{NoClientAuth, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ALL_VERSIONS, ServerConfig, SupportedProtocolVersion};

use super::chooser::{Candidate, Chooser};
use super::{Identity, InForce, Pem, PlainHttp, Shared, Tls, TlsError, certificate};

/// Sessions that are remembered for clients that resume without a ticket.
const SESSIONS: usize = 4096;
/// The protocols that are spoken inside. A client of the older one alone names it, and would be refused with the other one alone (RFC 7301, 3.2).
const ALPN: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// TLS that is being put together. What it is made of is read by [`build`](Self::build), and again at each
/// [`reload`](Tls::reload).
#[derive(Clone, Debug)]
#[must_use]
pub struct TlsBuilder {
    default: Identity,
    others: Vec<Identity>,
    clients: ClientAuth,
    min: Version,
    plain_http: PlainHttp,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ClientAuth {
    /// None is asked for.
    #[default]
    None,
    /// They may. One that is shown has to be signed by one of these authorities.
    Optional(Pem),
    /// They have to, signed by one of these authorities.
    Required(Pem),
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Version {
    /// TLS 1.2.
    #[default]
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl TlsBuilder {
    pub(super) fn new(default: Identity) -> Self {
        Self {
            default,
            others: Vec::new(),
            clients: ClientAuth::default(),
            min: Version::default(),
            plain_http: PlainHttp::default(),
        }
    }

    /// One more certificate, for clients that ask for a name that it is made out for. Clients that ask for no name, or for an
    /// unknown one, see the default.
    pub fn also(mut self, identity: Identity) -> Self {
        self.others.push(identity);
        self
    }

    /// Certificates of clients; none by default.
    pub fn clients(mut self, clients: ClientAuth) -> Self {
        self.clients = clients;
        self
    }

    /// The oldest version that is spoken; 1.2 by default.
    pub fn min_version(mut self, min: Version) -> Self {
        self.min = min;
        self
    }

    /// What clients are told that speak HTTP without TLS; by default, that this is the wrong way.
    pub fn plain_http(mut self, plain_http: PlainHttp) -> Self {
        self.plain_http = plain_http;
        self
    }

    /// Reads everything and checks that it fits.
    ///
    /// # Errors
    /// What cannot be read or used, and why.
    pub fn build(self) -> Result<Tls, TlsError> {
        let in_force = RwLock::new(self.load()?);
        Ok(Tls { shared: Arc::new(Shared { recipe: self, in_force }) })
    }

    pub(super) fn load(&self) -> Result<InForce, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let candidate = |identity: &Identity| {
            let key = identity.load(&provider)?;
            let facts = certificate::read(&key.cert[0]).map_err(|error| identity.unusable(&error))?;
            Ok(Candidate { key, facts: Arc::new(facts) })
        };
        let default = candidate(&self.default)?;
        let others = self.others.iter().map(candidate).collect::<Result<_, TlsError>>()?;
        let chooser = Arc::new(Chooser::new(default, others));
        let verifier = match &self.clients {
            ClientAuth::None => Arc::new(NoClientAuth),
            ClientAuth::Optional(authorities) | ClientAuth::Required(authorities) => {
                let roots = Arc::new(authorities.authorities()?);
                let mut builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
                if matches!(self.clients, ClientAuth::Optional(_)) {
                    builder = builder.allow_unauthenticated();
                }
                builder.build().map_err(|error| TlsError::Setup(error.to_string()))?
            }
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions())
            .map_err(|error| TlsError::Setup(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::clone(&chooser) as _);
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        // Both are made anew at each reload: a session from before may rest on an authority that is no longer trusted.
        config.ticketer = ring::Ticketer::new().map_err(|error| TlsError::Setup(error.to_string()))?;
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        Ok(InForce { config: Arc::new(config), chooser, plain_http: self.plain_http })
    }

    fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        static ONLY_1_3: &[&SupportedProtocolVersion] = &[&TLS13];
        match self.min {
            Version::V1_2 => ALL_VERSIONS,
            Version::V1_3 => ONLY_1_3,
        }
    }
}

//! Who is the client behind a proxy?
//!
//! The header of the PROXY protocol tells, in front of everything else, TLS included. A [`Preface`] takes it off a new connection: it
//! is given what arrives, and says how much of that is the header's and, once, whom the header speaks for.
//!
//! Invariants:
//! 1. Only the first octets of a connection are ever taken for a header, once, and only from sources that are trusted.
//! 2. From those the header has to come: a connection without one is not served.
//! 3. A preface holds a bounded number of octets; parameters, up to 64 KiB of them, are passed over as they come.
//!
//! Its wait is that for the first head: a header that does not come ends with `Timeouts::head`.

mod header;
#[cfg(test)]
mod tests;

pub(crate) use header::Header;
pub use header::ProxyError;
use header::{ENOUGH, Parsed, parse};

/// The header of one connection, until it has come.
#[derive(Debug, Default)]
pub(crate) struct Preface {
    /// The first octets.
    octets: Vec<u8>,
    /// What they said, and how many octets that nobody wants are to follow.
    known: Option<(Header, usize)>,
    /// Why the connection is not served.
    pub(crate) failure: Option<ProxyError>,
}

/// What came of some octets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// How many of them were the header's.
    pub(crate) octets: usize,
    /// What it says, when it is complete.
    pub(crate) header: Option<Header>,
}

impl Preface {
    /// Takes what belongs to the header.
    ///
    /// # Errors
    /// The connection is not to be served.
    pub(crate) fn take(&mut self, fresh: &[u8]) -> Result<Taken, ProxyError> {
        let taken = self.advance(fresh);
        self.failure = taken.as_ref().err().copied();
        taken
    }

    /// The peer has ended its side. Who only knocks is not to blame.
    ///
    /// # Errors
    /// It did so within the header.
    pub(crate) fn end(&mut self) -> Result<(), ProxyError> {
        self.failure = (!self.octets.is_empty()).then_some(ProxyError::Truncated);
        self.failure.map_or(Ok(()), Err)
    }

    fn advance(&mut self, fresh: &[u8]) -> Result<Taken, ProxyError> {
        let before = self.octets.len();
        let mut to_come = match self.known.take() {
            Some(known) => known,
            None => {
                self.octets.extend_from_slice(&fresh[..fresh.len().min(ENOUGH - before)]);
                match parse(&self.octets)? {
                    Parsed::More => return Ok(Taken { octets: fresh.len(), header: None }),
                    Parsed::Header(header, octets) => (header, octets - before),
                }
            }
        };
        let octets = to_come.1.min(fresh.len());
        to_come.1 -= octets;
        if to_come.1 > 0 {
            self.known = Some(to_come);
            return Ok(Taken { octets, header: None });
        }
        Ok(Taken { octets, header: Some(to_come.0) })
    }
}

//! What does TLS need of Python, and Python of TLS?
//!
//! [`Files`] is what an adapter names; [`Told`] turns the facts of a session into variables. Sessions are many and their facts few, so
//! that what was made once is kept.
//!
//! Invariants:
//! 1. What is kept is bounded, and a day old at most: some variables count days.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use cherrystone::tls::{ClientAuth, Identity, Pem, TlsBuilder, Version, environ};
use cherrystone::{PeerFacts, Tls};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::latin1;

/// Facts that are kept, at most.
const KEPT: usize = 64;
const DAY: i64 = 24 * 60 * 60;

/// Variables that were made for sessions with the same facts.
#[derive(Debug, Default)]
pub(crate) struct Told {
    kept: Mutex<Vec<(PeerFacts, i64, Py<PyDict>)>>,
}

impl Told {
    /// Adds the variables of a session to the environment of a request.
    pub(crate) fn describe(&self, facts: &PeerFacts, environ: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = environ.py();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, variables)) = kept.iter().find(|(known, day, _)| *day == now / DAY && known == facts) {
            let variables = variables.bind(py).clone();
            drop(kept);
            return environ.update(variables.as_mapping());
        }
        let variables = PyDict::new(py);
        for (name, value) in environ::variables(facts, now) {
            variables.set_item(name, latin1::text(py, value.as_bytes()))?;
        }
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((facts.clone(), now / DAY, variables.clone().unbind()));
        drop(kept);
        environ.update(variables.as_mapping())
    }
}

/// Where certificates are, and who may connect.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Files {
    certificate: PathBuf,
    private_key: PathBuf,
    /// The private key itself, if the one in the file is encrypted.
    private_key_text: Option<Vec<u8>>,
    certificate_chain: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    client_auth: String,
    minimum_version: String,
}

impl Files {
    /// Reads the files.
    ///
    /// # Errors
    /// `OSError` for a file that cannot be read, `ValueError` for one that cannot be used.
    pub(crate) fn load(&self) -> PyResult<Tls> {
        let key = match &self.private_key_text {
            None => Pem::file(&self.private_key),
            Some(text) => Pem::text(text.as_slice()),
        };
        let certificate = match &self.certificate_chain {
            None => Pem::file(&self.certificate),
            Some(chain) => {
                let mut text = std::fs::read(&self.certificate)?;
                text.push(b'\n');
                text.extend(std::fs::read(chain)?);
                Pem::text(text)
            }
        };
        let identity = Identity::new(certificate, key);
        self.rules(Tls::builder(identity))?.build().map_err(|error| {
            let text = error.to_string();
            match error {
                cherrystone::TlsError::Read { .. } => PyOSError::new_err(text),
                _ => PyValueError::new_err(text),
            }
        })
    }

    fn rules(&self, builder: TlsBuilder) -> PyResult<TlsBuilder> {
        let authority = || {
            let file = self.client_ca.as_ref().map(Pem::file);
            file.ok_or_else(|| PyValueError::new_err("client_ca has to name who signs the certificates of clients"))
        };
        let clients = match &*self.client_auth {
            "none" => ClientAuth::None,
            "optional" => ClientAuth::Optional(authority()?),
            "required" => ClientAuth::Required(authority()?),
            other => {
                let text = format!("client_auth is 'none', 'optional' or 'required', not {other:?}");
                return Err(PyValueError::new_err(text));
            }
        };
        let minimum = match &*self.minimum_version {
            "1.2" => Version::V1_2,
            "1.3" => Version::V1_3,
            other => return Err(PyValueError::new_err(format!("minimum_version is '1.2' or '1.3', not {other:?}"))),
        };
        Ok(builder.clients(clients).min_version(minimum))
    }
}

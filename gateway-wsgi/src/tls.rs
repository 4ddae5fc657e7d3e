//! What does an application learn of the protection of its connection?
//!
//! The variables that Apache's mod_ssl established, as far as they are facts of this connection.

use cherrystone::{Certificate, PeerFacts};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::calendar::{Moment, unix_now};
use crate::latin1;
use crate::pem::pem;

/// Adds the `SSL_*` variables to the environment of a request.
pub(crate) fn describe(facts: &PeerFacts, environ: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = environ.py();
    let set = |name: &str, value: &str| environ.set_item(name, latin1::text(py, value.as_bytes()));
    set("SSL_PROTOCOL", &facts.protocol)?;
    set("SSL_CIPHER", &facts.cipher)?;
    if let Some(name) = &facts.server_name {
        set("SSL_TLS_SNI", name)?;
    }
    if let Some(protocol) = &facts.alpn {
        set("SSL_ALPN", protocol)?;
    }
    set("SSL_CLIENT_VERIFY", if facts.client.is_some() { "SUCCESS" } else { "NONE" })?;
    facts.client.as_ref().map_or(Ok(()), |certificate| client(certificate, &set))
}

fn client(certificate: &Certificate, set: &dyn Fn(&str, &str) -> PyResult<()>) -> PyResult<()> {
    set("SSL_CLIENT_S_DN", &certificate.subject)?;
    set("SSL_CLIENT_I_DN", &certificate.issuer)?;
    set("SSL_CLIENT_M_SERIAL", &certificate.serial)?;
    set("SSL_CLIENT_V_START", &Moment::from_unix(certificate.not_before).to_openssl())?;
    set("SSL_CLIENT_V_END", &Moment::from_unix(certificate.not_after).to_openssl())?;
    set("SSL_CLIENT_V_REMAIN", &remaining_days(certificate.not_after).to_string())?;
    set("SSL_CLIENT_CERT", &pem(&certificate.der))
}

/// Whole days until that moment, 0 once it has passed.
fn remaining_days(end: i64) -> i64 {
    end.saturating_sub(unix_now()).max(0) / 86_400
}

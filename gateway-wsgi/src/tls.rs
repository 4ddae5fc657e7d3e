//! What does an application learn of the protection of its connection?
//!
//! The variables that Apache's mod_ssl established, as far as they are facts of this connection.

use cherrystone::{Certificate, PeerFacts};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::calendar::{Moment, unix_now};
use crate::latin1;

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
    set("SSL_CLIENT_V_START", &date(certificate.not_before))?;
    set("SSL_CLIENT_V_END", &date(certificate.not_after))?;
    set("SSL_CLIENT_V_REMAIN", &remaining_days(certificate.not_after).to_string())?;
    set("SSL_CLIENT_CERT", &pem(&certificate.der))
}

/// Whole days until that moment, 0 once it has passed.
fn remaining_days(end: i64) -> i64 {
    end.saturating_sub(unix_now()).max(0) / 86_400
}

/// `Jan  5 09:00:00 2026 GMT`, as OpenSSL prints it.
fn date(seconds: i64) -> String {
    let Moment { year, month, day, hour, minute, second } = Moment::from_unix(seconds);
    format!("{month} {day:>2} {hour:02}:{minute:02}:{second:02} {year} GMT")
}

/// A certificate as text (RFC 7468).
fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits = group.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - group.len()));
            for digit in 0..4 {
                let index = (bits >> (18 - 6 * digit)) & 63;
                text.push(if digit > group.len() { '=' } else { char::from(DIGITS[index as usize]) });
            }
        }
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_openssl() {
        assert_eq!(date(951_782_399), "Feb 28 23:59:59 2000 GMT");
        assert_eq!(date(1_767_603_600), "Jan  5 09:00:00 2026 GMT");
    }

    #[test]
    fn pem_is_base64_in_lines() {
        assert!(pem(b"a").contains("\nYQ==\n"));
        assert!(pem(b"ab").contains("\nYWI=\n"));
        assert!(pem(b"abc").contains("\nYWJj\n"));
        assert_eq!(pem(&[0; 100]).lines().map(str::len).collect::<Vec<_>>(), [27, 64, 64, 8, 25]);
    }
}

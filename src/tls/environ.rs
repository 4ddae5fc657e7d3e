//! What are applications in the manner of CGI told of TLS?
//!
//! [`variables`] gives the names that servers have agreed upon, those of `mod_ssl`, as pairs.
//!
//! Invariants:
//! 1. `SSL_CLIENT_VERIFY` is `SUCCESS` exactly if there is a verified certificate, and only then there is any other
//!    `SSL_CLIENT_` name.
//! 2. No value has a line feed but those of `_CERT`, which are PEM.

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::time::Time;

use super::certificate::{Parsed, alternative_names, serial};
use crate::{Certificate, PeerFacts};

/// The variables of a secured connection.
///
/// `now` is the time in seconds after 1970-01-01T00:00:00Z, from which the days are counted that certificates remain valid.
pub fn variables(facts: &PeerFacts, now: i64) -> Vec<(String, String)> {
    let mut pairs = Pairs(Vec::new());
    let bits = key_bits(&facts.cipher);
    pairs.add("HTTPS", "on");
    pairs.add("SSL_PROTOCOL", &facts.protocol);
    pairs.add("SSL_CIPHER", &facts.cipher);
    pairs.add("SSL_CIPHER_EXPORT", "false");
    pairs.add("SSL_CIPHER_USEKEYSIZE", bits);
    pairs.add("SSL_CIPHER_ALGKEYSIZE", bits);
    pairs.add("SSL_COMPRESS_METHOD", "NULL");
    pairs.add("SSL_VERSION_INTERFACE", concat!("Cherrystone/", env!("CARGO_PKG_VERSION")));
    pairs.add("SSL_VERSION_LIBRARY", "rustls");
    if let Some(name) = &facts.server_name {
        pairs.add("SSL_TLS_SNI", name);
    }
    pairs.add("SSL_CLIENT_VERIFY", if facts.client.is_some() { "SUCCESS" } else { "NONE" });
    if let Some(client) = &facts.client {
        pairs.certificate("SSL_CLIENT", client, now);
    }
    if let Some(server) = &facts.server {
        pairs.certificate("SSL_SERVER", server, now);
    }
    pairs.0
}

struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    fn certificate(&mut self, prefix: &str, facts: &Certificate, now: i64) {
        self.add(format!("{prefix}_CERT"), pem(&facts.der));
        let Ok(parsed) = Parsed::from_der(&facts.der) else { return };
        let body = parsed.tbs_certificate();
        self.add(format!("{prefix}_M_VERSION"), (body.version() as u8 + 1).to_string());
        self.add(format!("{prefix}_M_SERIAL"), serial(&parsed));
        self.add(format!("{prefix}_V_START"), date(body.validity().not_before));
        self.add(format!("{prefix}_V_END"), date(body.validity().not_after));
        let left = facts.not_after.saturating_sub(now).max(0) / (24 * 60 * 60);
        self.add(format!("{prefix}_V_REMAIN"), left.to_string());
        self.name(&format!("{prefix}_S_DN"), body.subject());
        self.name(&format!("{prefix}_I_DN"), body.issuer());
        let (mut dns, mut mail) = (0, 0);
        for name in alternative_names(&parsed) {
            match name {
                GeneralName::DnsName(name) => {
                    self.add(format!("{prefix}_SAN_DNS_{dns}"), clean(name.as_str()));
                    dns += 1;
                }
                GeneralName::Rfc822Name(name) => {
                    self.add(format!("{prefix}_SAN_Email_{mail}"), clean(name.as_str()));
                    mail += 1;
                }
                _ => {}
            }
        }
    }

    /// A distinguished name, and its parts: the first of a kind under the plain name, and all with a number if there are more.
    fn name(&mut self, prefix: &str, name: &Name) {
        self.add(prefix, clean(&name.to_string()));
        for (oid, short) in PARTS {
            let mut values: Vec<String> = name.iter().filter(|part| part.oid == oid).filter_map(text).collect();
            if values.len() > 1 {
                for (n, value) in values.iter().enumerate() {
                    self.add(format!("{prefix}_{short}_{n}"), value);
                }
            }
            if !values.is_empty() {
                self.add(format!("{prefix}_{short}"), values.swap_remove(0));
            }
        }
    }
}

/// The parts of a name that have a short form.
const PARTS: [(ObjectIdentifier, &str); 13] = [
    (ObjectIdentifier::new_unwrap("2.5.4.6"), "C"),
    (ObjectIdentifier::new_unwrap("2.5.4.8"), "ST"),
    (ObjectIdentifier::new_unwrap("2.5.4.7"), "L"),
    (ObjectIdentifier::new_unwrap("2.5.4.10"), "O"),
    (ObjectIdentifier::new_unwrap("2.5.4.11"), "OU"),
    (ObjectIdentifier::new_unwrap("2.5.4.3"), "CN"),
    (ObjectIdentifier::new_unwrap("2.5.4.12"), "T"),
    (ObjectIdentifier::new_unwrap("2.5.4.43"), "I"),
    (ObjectIdentifier::new_unwrap("2.5.4.42"), "G"),
    (ObjectIdentifier::new_unwrap("2.5.4.4"), "S"),
    (ObjectIdentifier::new_unwrap("2.5.4.13"), "D"),
    (ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1"), "UID"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"), "Email"),
];

fn text(part: &AttributeTypeAndValue) -> Option<String> {
    let value = &part.value;
    let text = match value.tag() {
        Tag::Utf8String => Utf8StringRef::try_from(value).ok()?.as_str().to_owned(),
        Tag::PrintableString => PrintableStringRef::try_from(value).ok()?.as_str().to_owned(),
        Tag::Ia5String => Ia5StringRef::try_from(value).ok()?.as_str().to_owned(),
        Tag::TeletexString => TeletexStringRef::try_from(value).ok()?.as_str().to_owned(),
        _ => return None,
    };
    Some(clean(&text))
}

/// Without control characters, which have no business in a name.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The length of the key of a cipher suite.
fn key_bits(cipher: &str) -> &'static str {
    if cipher.contains("AES_128") { "128" } else { "256" }
}

/// A time as OpenSSL writes it: `Apr  1 12:00:00 2026 GMT`.
fn date(time: Time) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = time.to_date_time();
    let month = MONTHS[usize::from(time.month().clamp(1, 12)) - 1];
    let (day, hour, minutes, seconds) = (time.day(), time.hour(), time.minutes(), time.seconds());
    format!("{month} {day:2} {hour:02}:{minutes:02}:{seconds:02} {} GMT", time.year())
}

/// A certificate in PEM (RFC 7468).
fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(der.len() / 3 * 4 + 100);
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits = group.iter().fold(0, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - group.len()));
            for digit in 0..4 {
                let value = bits >> (18 - 6 * digit) & 63;
                text.push(if digit > group.len() { '=' } else { char::from(DIGITS[value as usize]) });
            }
        }
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

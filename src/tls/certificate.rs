//! What does a certificate say?
//!
//! Invariants:
//! 1. What cannot be read is an error, never an empty fact: an application must not take a certificate that it cannot see
//!    for none.

use std::fmt::Write;

use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{self, Decode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

use crate::Certificate;

/// A certificate as it was issued; also those are read that break RFC 5280 in a harmless way.
pub(super) type Parsed = CertificateInner<Raw>;

/// The facts of a certificate in DER.
pub(super) fn read(der: &[u8]) -> der::Result<Certificate> {
    let parsed = Parsed::from_der(der)?;
    let body = parsed.tbs_certificate();
    let mut facts = Certificate::default();
    facts.der = der.to_vec();
    facts.subject = body.subject().to_string();
    facts.issuer = body.issuer().to_string();
    facts.serial = serial(&parsed);
    facts.not_before = seconds(body.validity().not_before);
    facts.not_after = seconds(body.validity().not_after);
    Ok(facts)
}

/// The serial number in hexadecimal.
pub(super) fn serial(parsed: &Parsed) -> String {
    let octets = parsed.tbs_certificate().serial_number().as_bytes();
    let leading = octets.iter().take_while(|octet| **octet == 0).count().min(octets.len().saturating_sub(1));
    octets[leading..].iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02X}");
        text
    })
}

/// The host names that a certificate is made out for.
pub(super) fn dns_names(der: &[u8]) -> Vec<String> {
    let Ok(parsed) = Parsed::from_der(der) else { return Vec::new() };
    let names = alternative_names(&parsed).into_iter();
    names.filter_map(|name| if let GeneralName::DnsName(name) = name { Some(name.to_string()) } else { None }).collect()
}

/// The other names of the subject.
pub(super) fn alternative_names(parsed: &Parsed) -> Vec<GeneralName> {
    let found = parsed.tbs_certificate().get_extension::<SubjectAltName>();
    found.ok().flatten().map(|(_, names)| names.0).unwrap_or_default()
}

fn seconds(time: Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}

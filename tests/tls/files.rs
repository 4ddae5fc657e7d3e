//! Certificates and keys from files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cherrystone::tls::{ClientAuth, Identity, Pem, environ};
use cherrystone::{PeerFacts, Tls, TlsError};

use crate::authority::{Authority, der};
use crate::talk::{client, secured};

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

fn error(certificate: &Path, key: &Path) -> String {
    Tls::from_pem_files(certificate, key).expect_err("it has an error").to_string()
}

#[test]
fn errors_name_the_file_and_the_reason() {
    let files = Files::new();
    let authority = Authority::new("the authority");
    let leaf = authority.issue(&["localhost"]);
    let certificate = files.put("good.pem", &leaf.certificate);
    let key = files.put("good.key", &leaf.key);
    Tls::from_pem_files(&certificate, &key).unwrap();
    let both = files.put("both.pem", &format!("{}{}", leaf.certificate, leaf.key));
    Tls::from_pem_files(&both, &both).unwrap();

    let missing = files.folder.path().join("missing.pem");
    let empty = files.put("empty.pem", " \n");
    let other = files.put("other.key", &authority.issue(&["localhost"]).key);
    let locked =
        files.put("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let old = files.put("old.key", &leaf.key.replacen("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n\n", 1));
    let torn = files.put("torn.pem", &leaf.certificate[..leaf.certificate.len() / 2]);
    let damaged = files.put("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let strange = files.put("strange.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    for (certificate, key, to_blame, reason) in [
        (&missing, &key, "missing.pem", "cannot read"),
        (&certificate, &missing, "missing.pem", "cannot read"),
        (&files.folder.path().to_owned(), &key, "", "cannot read"),
        (&empty, &key, "empty.pem", "is empty"),
        (&certificate, &empty, "empty.pem", "is empty"),
        (&key, &key, "good.key", "no certificate"),
        (&certificate, &certificate, "good.pem", "no private key"),
        (&certificate, &locked, "locked.key", "encrypted"),
        (&certificate, &old, "old.key", "encrypted"),
        (&certificate, &other, "other.key", "another certificate"),
        (&certificate, &strange, "strange.key", "cannot be used"),
        (&torn, &key, "torn.pem", "not valid PEM"),
        (&damaged, &key, "damaged.pem", "cannot be used"),
    ] {
        let error = error(certificate, key);
        assert!(error.contains(to_blame) && error.contains(reason), "{error}");
    }
    let clients = |pem: Pem| Tls::builder(leaf.identity()).clients(ClientAuth::Required(pem)).build();
    for (file, reason) in
        [(&missing, "cannot read"), (&empty, "is empty"), (&key, "no certificate"), (&damaged, "cannot be used")]
    {
        let error = clients(Pem::file(file)).unwrap_err().to_string();
        assert!(error.contains(&*file.to_string_lossy()) && error.contains(reason), "{error}");
    }
    let in_memory = Tls::from_pem(leaf.key.as_str(), leaf.key.as_str()).unwrap_err();
    assert!(matches!(in_memory, TlsError::NoCertificate(_)), "{in_memory}");
    assert!(!format!("{:?}", leaf.identity()).contains("PRIVATE"));
}

#[test]
fn a_reload_changes_everything_or_nothing() {
    let files = Files::new();
    let authority = Authority::new("the authority");
    let [first, second] = [(); 2].map(|()| authority.issue(&["localhost"]));
    let certificate = files.put("www.pem", &first.certificate);
    let key = files.put("www.key", &first.key);
    let tls = Tls::builder(Identity::files(&certificate, &key)).build().unwrap();
    let seen = || {
        let mut peer = client(authority.client(), "localhost");
        secured(&tls, &mut peer, b"", &[usize::MAX]);
        let seen = peer.peer_certificates().unwrap()[0].clone();
        assert_eq!(tls.certificate(None).der, &*seen);
        seen
    };
    assert_eq!(seen(), der(&first.certificate));
    files.put("www.pem", &second.certificate);
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("www.key") && error.contains("another certificate"), "{error}");
    assert_eq!(seen(), der(&first.certificate));
    files.put("www.key", "rubbish");
    tls.clone().reload().unwrap_err();
    assert_eq!(seen(), der(&first.certificate));
    files.put("www.key", &second.key);
    tls.clone().reload().unwrap();
    assert_eq!(seen(), der(&second.certificate));
}

#[test]
fn variables_for_applications() {
    const DAY: i64 = 24 * 60 * 60;
    let authority = Authority::new("the authority");
    let leaf = authority.issue_with(&["a.test", "*.b.test"], |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CountryName, "NL");
        params.distinguished_name.push(rcgen::DnType::CommonName, "a, b");
        params.subject_alt_names.push(rcgen::SanType::Rfc822Name("me@a.test".try_into().unwrap()));
        params.not_before = rcgen::date_time_ymd(2026, 4, 1);
        params.not_after = rcgen::date_time_ymd(2026, 12, 24);
        params.serial_number = Some(vec![0x7f, 2].into());
    });
    let tls = Tls::builder(leaf.identity()).build().unwrap();
    let server = tls.certificate(None);
    let mut facts = PeerFacts::default();
    facts.protocol = "TLSv1.3".into();
    facts.cipher = "TLS_AES_128_GCM_SHA256".into();
    facts.server_name = Some("a.test".into());
    let now = server.not_after - 3 * DAY - 1;
    facts.server = Some(Arc::clone(&server));
    let pairs = environ::variables(&facts, now);
    let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    for (name, expected) in [
        ("HTTPS", "on"),
        ("SSL_PROTOCOL", "TLSv1.3"),
        ("SSL_CIPHER", "TLS_AES_128_GCM_SHA256"),
        ("SSL_CIPHER_USEKEYSIZE", "128"),
        ("SSL_TLS_SNI", "a.test"),
        ("SSL_CLIENT_VERIFY", "NONE"),
        ("SSL_SERVER_M_VERSION", "3"),
        ("SSL_SERVER_M_SERIAL", "7F02"),
        ("SSL_SERVER_V_START", "Apr  1 00:00:00 2026 GMT"),
        ("SSL_SERVER_V_END", "Dec 24 00:00:00 2026 GMT"),
        ("SSL_SERVER_V_REMAIN", "3"),
        ("SSL_SERVER_S_DN", "CN=a\\, b,C=NL"),
        ("SSL_SERVER_S_DN_CN", "a, b"),
        ("SSL_SERVER_S_DN_C", "NL"),
        ("SSL_SERVER_I_DN_CN", "the authority"),
        ("SSL_SERVER_SAN_DNS_0", "a.test"),
        ("SSL_SERVER_SAN_DNS_1", "*.b.test"),
        ("SSL_SERVER_SAN_Email_0", "me@a.test"),
    ] {
        assert_eq!(value(name), Some(expected), "{name}");
    }
    assert_eq!(value("SSL_SERVER_CERT").unwrap().trim_end(), leaf.certificate.replace('\r', "").trim_end());
    assert!(!pairs.iter().any(|(name, _)| name.starts_with("SSL_CLIENT_") && name != "SSL_CLIENT_VERIFY"));

    facts.client = Some((*server).clone());
    facts.server = None;
    let pairs = environ::variables(&facts, server.not_after + DAY);
    let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((value("SSL_CLIENT_VERIFY"), value("SSL_CLIENT_V_REMAIN")), (Some("SUCCESS"), Some("0")));
    assert_eq!((value("SSL_CLIENT_S_DN_CN"), value("SSL_SERVER_CERT")), (Some("a, b"), None));
}

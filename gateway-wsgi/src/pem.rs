//! How is a certificate written as text?

/// A certificate as text (RFC 7468).
pub(crate) fn pem(der: &[u8]) -> String {
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
    fn pem_is_base64_in_lines() {
        assert!(pem(b"a").contains("\nYQ==\n"));
        assert!(pem(b"ab").contains("\nYWI=\n"));
        assert!(pem(b"abc").contains("\nYWJj\n"));
        assert_eq!(pem(&[0; 100]).lines().map(str::len).collect::<Vec<_>>(), [27, 64, 64, 8, 25]);
    }
}

//! PEM (RFC 7468) with LF line ends.
//!
//! Agents pin the literal bytes of `server-ca.crt`, so its encoding must be stable: the same on every build system, and
//! even if another program has changed the line ends of the secrets file.

use ::pem::{EncodeConfig, LineEnding, Pem};
use zeroize::Zeroizing;

use crate::value::Secret;

const CERTIFICATE: &str = "CERTIFICATE";
/// PKCS#8 (RFC 5958): read by Go's `x509.ParsePKCS8PrivateKey` in every place where k3s reads a key.
const PRIVATE_KEY: &str = "PRIVATE KEY";
/// PKCS#1 (RFC 8017): the format of k3s for the key of service-account tokens, and of its instructions for renewal.
const RSA_PRIVATE_KEY: &str = "RSA PRIVATE KEY";

/// A certificate as text.
pub(super) fn certificate(der: &[u8]) -> String {
    encode(CERTIFICATE, der)
}

/// A PKCS#8 key as text.
pub(super) fn private_key(der: &[u8]) -> Secret {
    Secret::new(encode(PRIVATE_KEY, der))
}

/// A PKCS#1 key as text.
pub(super) fn rsa_private_key(der: &[u8]) -> Secret {
    Secret::new(encode(RSA_PRIVATE_KEY, der))
}

fn encode(tag: &str, der: &[u8]) -> String {
    ::pem::encode_config(&Pem::new(tag, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}

/// The bytes of the one certificate in a text.
pub(super) fn certificate_der(text: &str) -> Option<Vec<u8>> {
    decode(CERTIFICATE, text)
}

/// The bytes of the one PKCS#8 key in a text.
pub(super) fn private_key_der(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    decode(PRIVATE_KEY, text).map(Zeroizing::new)
}

/// The bytes of the one PKCS#1 key in a text.
pub(super) fn rsa_private_key_der(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    decode(RSA_PRIVATE_KEY, text).map(Zeroizing::new)
}

fn decode(tag: &str, text: &str) -> Option<Vec<u8>> {
    let [block] = <[Pem; 1]>::try_from(::pem::parse_many(text).ok()?).ok()?;
    (block.tag() == tag).then(|| block.into_contents())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crlf_line_ends_are_read_and_lf_is_written() {
        let text = certificate(&[7; 100]);
        assert!(!text.contains('\r') && text.ends_with("-----END CERTIFICATE-----\n"), "{text:?}");
        let der = certificate_der(&text.replace('\n', "\r\n")).unwrap();
        assert_eq!(certificate(&der), text);
    }

    #[test]
    fn only_a_single_block_of_the_right_kind_is_read() {
        let (one, key) = (certificate(b"one"), private_key(b"key"));
        assert_eq!(certificate_der(&one).unwrap(), b"one");
        assert_eq!(*private_key_der(key.expose()).unwrap(), b"key");
        for bad in ["", "text", &one[..20], &format!("{one}{one}"), key.expose()] {
            assert_eq!(certificate_der(bad), None, "{bad}");
        }
        assert_eq!(private_key_der(&one), None);
    }
}

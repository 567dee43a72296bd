//! The token that a node joins with: it pins the cluster's CA and proves to its servers that the node may join.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::base64;
use crate::digest::sha256;
use crate::phase_error::Failure;
use crate::sys::System;

/// A join token in its secure format. `Debug` is not implemented: the password is secret.
pub struct Token {
    hash: String,
    password: String,
}

impl Token {
    /// Reads the token file of k3s.
    pub fn load(sys: &dyn System, path: &Path) -> Result<Self, Failure> {
        let failed = |why: String| {
            // `token: ...` and `K10...` would be masked wherever a log is shown.
            let what = format!("reading the join token in {} failed ({why})", path.display());
            Failure::new(what, "build the image again and flash it")
        };
        let bytes = sys.read(path).map_err(|e| failed(e.to_string()))?;
        let text = String::from_utf8_lossy(&bytes);
        Self::parse(text.trim()).ok_or_else(|| {
            failed("it has not the form of k3s' tokens, K10 with a hash, a user and a password".to_owned())
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (hash, credentials) = text.strip_prefix("K10")?.split_once("::")?;
        let (user, password) = credentials.split_once(':')?;
        let hex = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (hex && !user.is_empty() && !password.is_empty())
            .then(|| Self { hash: hash.to_owned(), password: password.to_owned() })
    }

    /// The header field that shows the token, for a user of k3s.
    pub(super) fn authorization(&self, user: &str) -> String {
        let credentials = base64::encode(format!("{user}:{}", self.password).as_bytes());
        format!("Authorization: Basic {credentials}\r\n")
    }

    /// The CAs of a bundle that match the hash. For one certificate the hash is over the literal bytes; for more it is
    /// over the root's DER, so only a root with this hash is trusted.
    pub(super) fn roots(&self, bundle: &[u8]) -> Option<Vec<Vec<u8>>> {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(bundle).collect::<Result<_, _>>().ok()?;
        let whole = sha256(bundle) == self.hash;
        let pinned =
            |der: &CertificateDer<'_>| if certificates.len() == 1 { whole } else { sha256(der) == self.hash };
        let roots: Vec<_> = certificates.iter().filter(|der| pinned(der)).map(|der| der.to_vec()).collect();
        (!roots.is_empty()).then_some(roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_token_is_accepted() {
        let hash = "0123456789abcdef".repeat(4);
        let good = Token::parse(&format!("K10{hash}::node:a:b")).unwrap();
        assert_eq!((good.hash.as_str(), good.password.as_str()), (hash.as_str(), "a:b"));
        for bad in
            ["", "bare", "K10", "K10ab::node:x", &format!("K10{hash}::node"), &format!("K10{hash}::node:")]
        {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn only_a_ca_that_matches_the_hash_is_trusted() {
        let pem = |text: &str| {
            format!(
                "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                base64::encode(text.as_bytes())
            )
        };
        let token = |hash: String| Token { hash, password: "x".into() };
        let (one, two) = (pem("one"), pem("one") + &pem("two"));
        assert_eq!(token(sha256(one.as_bytes())).roots(one.as_bytes()).unwrap(), [b"one"]);
        assert_eq!(token(sha256(one.as_bytes())).roots(format!("{one}\n").as_bytes()), None);
        assert_eq!(
            token(sha256(b"one")).roots(one.as_bytes()),
            None,
            "a single certificate is pinned by its PEM text"
        );
        assert_eq!(token(sha256(b"two")).roots(two.as_bytes()).unwrap(), [b"two"]);
        assert_eq!(token(sha256(two.as_bytes())).roots(two.as_bytes()), None);
        assert_eq!(token(sha256(b"")).roots(b""), None);
    }
}

//! Join tokens: `K10<64 hex>::<user>:<password>`, or a bare password, and the hash that pins the cluster's CA.

use anyhow::{Context, Result, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::secret::{Secret, sha256_hex};

/// A token as written in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The pinned hash of the CA; `None` in a bare password.
    pub(crate) ca_hash: Option<String>,
    /// `server` or `node`; empty in a bare password.
    pub(crate) user: String,
    /// What is secret in it.
    pub(crate) password: Secret,
}

impl Token {
    /// Reads a token of either form.
    ///
    /// # Errors
    /// When it starts as a secure token and is not one. The text of the token is never part of the error.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        ensure!(!text.is_empty(), "token must not be empty");
        let Some(rest) = text.strip_prefix("K10") else {
            return Ok(Self { ca_hash: None, user: String::new(), password: Secret::new(text) });
        };
        let (hash, credentials) = rest.split_once("::").context("invalid token format: no \"::\" in it")?;
        ensure!(
            hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            "invalid token CA hash: 64 lower-case hex digits belong between \"K10\" and \"::\""
        );
        let (user, password) =
            credentials.split_once(':').context("invalid token format: no user before the password")?;
        ensure!(!password.is_empty(), "invalid token format: the password is empty");
        Ok(Self { ca_hash: Some(hash.into()), user: user.into(), password: Secret::new(password) })
    }
}

/// The secure token for `user`, pinned to the CA as it is served at `/cacerts`.
///
/// # Errors
/// As [`ca_hash`].
pub(crate) fn format(ca_pem: &[u8], user: &str, password: &Secret) -> Result<String> {
    Ok(format!("K10{}::{user}:{}", ca_hash(ca_pem)?, password.reveal()))
}

/// The hash in a secure token, by the rule of k3s's `pkg/clientaccess/token.go`.
///
/// One certificate: SHA-256 of the literal bytes served, trailing newline included. Two or more: SHA-256 of
/// the DER of the root that the first one leads to; when it leads to none, of the literal bytes again.
///
/// # Errors
/// When there is no certificate in it, or one is damaged.
pub(crate) fn ca_hash(pem: &[u8]) -> Result<String> {
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().context("reading the CA bundle")?;
    ensure!(!chain.is_empty(), "reading the CA bundle: no certificate in it");
    match chain.len() {
        1 => Ok(sha256_hex(pem)),
        _ => Ok(root_of(&chain)?.map_or_else(|| sha256_hex(pem), |root| sha256_hex(&root))),
    }
}

/// Follows the issuers of the first certificate up to one that issued itself.
///
/// As in k3s the first one is never taken for the root, even where it issued itself.
fn root_of(chain: &[CertificateDer<'_>]) -> Result<Option<Vec<u8>>> {
    let parsed: Vec<(&[u8], X509Certificate<'_>)> = chain
        .iter()
        .map(|der| Ok((der.as_ref(), X509Certificate::from_der(der).context("reading the CA bundle")?.1)))
        .collect::<Result<_>>()?;
    let Some(((_, first), above)) = parsed.split_first() else { return Ok(None) };
    let mut current = first;
    // Each step goes one certificate up, so a longer walk would be a circle.
    for _ in above {
        let issuer = above.iter().find(|(_, candidate)| candidate.subject() == current.issuer());
        let Some((der, certificate)) = issuer else { return Ok(None) };
        if certificate.subject() == certificate.issuer() {
            return Ok(Some(der.to_vec()));
        }
        current = certificate;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    fn ca_params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    #[test]
    fn one_certificate_is_hashed_as_the_literal_bytes() {
        let key = KeyPair::generate().unwrap();
        let pem = ca_params("root").self_signed(&key).unwrap().pem();
        assert_eq!(ca_hash(pem.as_bytes()).unwrap(), sha256_hex(pem.as_bytes()));
        let longer = format!("{pem}\n");
        assert_ne!(ca_hash(longer.as_bytes()).unwrap(), ca_hash(pem.as_bytes()).unwrap());
    }

    #[test]
    fn a_chain_is_hashed_as_the_der_of_its_root() {
        let root_key = KeyPair::generate().unwrap();
        let root = ca_params("root");
        let root_certificate = root.self_signed(&root_key).unwrap();
        let issuer = Issuer::new(root, root_key);
        let middle_key = KeyPair::generate().unwrap();
        let middle = ca_params("middle").signed_by(&middle_key, &issuer).unwrap();
        let bundle = format!("{}{}", middle.pem(), root_certificate.pem());
        assert_eq!(ca_hash(bundle.as_bytes()).unwrap(), sha256_hex(root_certificate.der()));
    }

    #[test]
    fn two_certificates_that_lead_to_no_root_are_hashed_as_bytes() {
        let unknown = Issuer::new(ca_params("unknown"), KeyPair::generate().unwrap());
        let key = KeyPair::generate().unwrap();
        let middle = ca_params("middle").signed_by(&key, &unknown).unwrap();
        let bundle = middle.pem().repeat(2);
        assert_eq!(ca_hash(bundle.as_bytes()).unwrap(), sha256_hex(bundle.as_bytes()));
    }

    #[test]
    fn text_without_a_certificate_has_no_hash() {
        assert!(ca_hash(b"not PEM\n").is_err());
    }

    #[test]
    fn reads_both_forms() {
        let hash = "0123456789abcdef".repeat(4);
        let secure = Token::parse(&format!("K10{hash}::node:pass:word")).unwrap();
        assert_eq!(secure.ca_hash.as_deref(), Some(hash.as_str()));
        assert_eq!((secure.user.as_str(), secure.password.reveal()), ("node", "pass:word"));
        let bare = Token::parse("hunter2").unwrap();
        assert_eq!((bare.ca_hash, bare.password.reveal()), (None, "hunter2"));
    }

    #[test]
    fn refuses_damaged_tokens_without_printing_them() {
        let hash = "0".repeat(64);
        let bad =
            ["", "K10abc::node:hunter2", &format!("K10{hash}:node:hunter2"), &format!("K10{hash}::hunter2")];
        for text in bad {
            let error = format!("{:#}", Token::parse(text).unwrap_err());
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(Token::parse(&format!("K10{hash}::node:")).is_err());
    }
}

//! Certificate authorities: taken as they were seeded, or made; and the certificates they sign.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{clock, files, log};

/// Life of a CA and of what it signs, as in k3s.
const CA_LIFE: Duration = Duration::days(3650);
const LEAF_LIFE: Duration = Duration::days(365);
/// How long before its signature a leaf is valid.
const BACKDATE: Duration = Duration::hours(1);

/// A certificate authority that can sign.
pub(crate) struct Ca {
    /// The certificate file as it is, byte for byte.
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
    not_before: OffsetDateTime,
}

/// A certificate chain with its private key, both PEM.
pub(crate) struct Identity {
    /// The leaf first, then what leads to the root.
    pub(crate) chain: String,
    /// PKCS#8.
    pub(crate) key: String,
}

/// Whom a certificate is for.
pub(crate) struct Subject<'a> {
    /// CN: the user, or the name of the server.
    pub(crate) name: &'a str,
    /// O: the group.
    pub(crate) organization: &'a str,
}

impl Ca {
    /// Takes `<path>.crt` and `<path>.key` if both are there; otherwise makes both, over what is there.
    ///
    /// # Errors
    /// When the pair is damaged, its halves do not belong together, or the key is of a kind k3s does not take.
    pub(crate) fn load_or_make(path: &Path, name: &str) -> Result<Self> {
        let (crt, key) = (path.with_extension("crt"), path.with_extension("key"));
        match (files::read_optional(&crt)?, files::read_optional(&key)?) {
            (Some(pem), Some(key_pem)) => Self::from_pem(pem, &key_pem)
                .with_context(|| format!("loading {} and its key", crt.display())),
            (None, None) => Self::make(&crt, &key, name),
            _ => {
                log::warn(&format!("{}: the pair is not complete, making a new CA over it", path.display()));
                Self::make(&crt, &key, name)
            }
        }
    }

    fn make(crt: &Path, key_path: &Path, name: &str) -> Result<Self> {
        let key = KeyPair::generate().context("making a key")?;
        let mut params = CertificateParams::default();
        params.not_before = clock::now();
        params.not_after = clock::now() + CA_LIFE;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyCertSign,
        ];
        let common_name = format!("k3s-{name}@{}", clock::now().unix_timestamp());
        params.distinguished_name.push(DnType::CommonName, common_name);
        let pem = params.self_signed(&key).context("making a CA")?.pem();
        files::write_atomic(key_path, 0o600, key.serialize_pem().as_bytes())?;
        files::write_atomic(crt, 0o644, pem.as_bytes())?;
        let not_before = params.not_before;
        Ok(Self { pem, issuer: Issuer::new(params, key), not_before })
    }

    fn from_pem(pem: String, key_pem: &str) -> Result<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).context("reading the certificate")?;
        let key = key_pair(key_pem)?;
        let (_, certificate) = X509Certificate::from_der(&der).context("reading the certificate")?;
        ensure!(certificate.is_ca(), "the certificate is not that of a CA");
        ensure!(
            certificate.public_key().raw == key.subject_public_key_info(),
            "the private key does not match the public key of the certificate"
        );
        let not_before = certificate.validity().not_before.to_datetime();
        let issuer = Issuer::from_ca_cert_der(&der, key).context("reading the certificate")?;
        Ok(Self { pem, issuer, not_before })
    }

    /// Signs a certificate for a TLS server under these names and addresses.
    ///
    /// # Errors
    /// When a name is not one that can stand in a certificate.
    pub(crate) fn sign_server(&self, subject: &Subject<'_>, names: Vec<String>) -> Result<Identity> {
        let mut params = CertificateParams::new(names).context("naming the server (tls-san, node-name)")?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign_new(params, subject)
    }

    /// Signs a certificate for a client.
    ///
    /// # Errors
    /// When signing fails.
    pub(crate) fn sign_client(&self, subject: &Subject<'_>) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign_new(params, subject)
    }

    /// Signs a certificate for a member of etcd, which is server and client to its peers.
    ///
    /// # Errors
    /// When a name is not one that can stand in a certificate.
    pub(crate) fn sign_peer(&self, subject: &Subject<'_>, names: Vec<String>) -> Result<Identity> {
        let mut params = CertificateParams::new(names).context("naming the member of etcd")?;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.sign_new(params, subject)
    }

    fn sign_new(&self, mut params: CertificateParams, subject: &Subject<'_>) -> Result<Identity> {
        let key = KeyPair::generate().context("making a key")?;
        self.dress(&mut params, subject);
        let certificate = params.signed_by(&key, &self.issuer).context("signing a certificate")?;
        Ok(Identity { chain: format!("{}{}", certificate.pem(), self.pem), key: key.serialize_pem() })
    }

    /// Signs a client's request (PKCS#10, DER). Whom the certificate is for is ours to say, not the request's.
    ///
    /// # Errors
    /// When the request is damaged or not signed by its own key.
    pub(crate) fn sign_request(&self, request: &[u8], subject: &Subject<'_>) -> Result<String> {
        let request = CertificateSigningRequestDer::from(request.to_vec());
        let asked = CertificateSigningRequestParams::from_der(&request).context("reading the request")?;
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.dress(&mut params, subject);
        let certificate =
            params.signed_by(&asked.public_key, &self.issuer).context("signing a certificate")?;
        Ok(format!("{}{}", certificate.pem(), self.pem))
    }

    /// A leaf is valid from one hour before it is signed, but not from before its CA, as with k3s (dynamiclistener, `cert`).
    fn dress(&self, params: &mut CertificateParams, subject: &Subject<'_>) {
        params.not_before = self.not_before.max(clock::now() - BACKDATE);
        params.not_after = clock::now() + LEAF_LIFE;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, subject.organization);
        name.push(DnType::CommonName, subject.name);
        params.distinguished_name = name;
    }
}

/// A fresh key with a request for a certificate (DER) made by it. The name in it is for the reader only.
///
/// # Errors
/// When the key cannot be made.
pub(crate) fn request(name: &str) -> Result<(String, Vec<u8>)> {
    let key = KeyPair::generate().context("making a key")?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let request = params.serialize_request(&key).context("making a certificate request")?;
    Ok((key.serialize_pem(), request.der().to_vec()))
}

/// Reads a private key in PKCS#8 or, for the curve P-256, SEC1.
fn key_pair(pem: &str) -> Result<KeyPair> {
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).context("reading the private key")?;
    let pkcs8 = match der {
        PrivateKeyDer::Pkcs8(key) => key,
        PrivateKeyDer::Sec1(key) => PrivatePkcs8KeyDer::from(pkcs8_from_sec1(key.secret_sec1_der())?),
        _ => bail!("the private key is neither PKCS#8 nor SEC1, which is all that the stand-in reads"),
    };
    let key = KeyPair::try_from(&pkcs8).context("reading the private key")?;
    ensure!(key.algorithm() != &PKCS_ED25519, "k3s does not take Ed25519 keys");
    Ok(key)
}

/// Wraps a SEC1 key (RFC 5915) of the curve P-256 as PKCS#8 (RFC 5958).
fn pkcs8_from_sec1(sec1: &[u8]) -> Result<Vec<u8>> {
    /// INTEGER 0; SEQUENCE { OID id-ecPublicKey, OID prime256v1 }
    const HEAD: [u8; 24] = [
        0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
        0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
    ];
    // One length byte is enough up to 127 bytes; a P-256 key with its public key has 119 to 121 bytes, and the
    // whole is below 256.
    let length = u8::try_from(sec1.len()).ok().filter(|length| *length < 128);
    let length = length.context("the private key is not one of the curve P-256")?;
    let octets = [&[0x04, length], sec1].concat();
    let total = u8::try_from(HEAD.len() + octets.len()).context("the private key is too long")?;
    Ok([&[0x30, 0x81, total], HEAD.as_slice(), &octets].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMIN: Subject<'_> = Subject { name: "system:admin", organization: "system:masters" };

    /// From `openssl ecparam -genkey -name prime256v1`.
    const SEC1: &str = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n\
        -----BEGIN EC PRIVATE KEY-----\n\
        MHcCAQEEIEmv30UD6dI179IeajhblhajLzs6ZXVUh+6eqWC+YTFcoAoGCCqGSM49\n\
        AwEHoUQDQgAEpjzYe0+o46FLJnQmPR7XyJEy1XlVmjv9IZUPk+w4IHVK14F+h0Yd\n\
        5BlX52aisWi+RdHepu1RBUjzGeriJhDlZg==\n\
        -----END EC PRIVATE KEY-----\n";

    fn made(dir: &Path) -> Ca {
        Ca::load_or_make(&dir.join("server-ca"), "server-ca").unwrap()
    }

    #[test]
    fn a_made_ca_is_taken_again_byte_for_byte() {
        let dir = tempfile::tempdir().unwrap();
        let first = made(dir.path());
        assert_eq!(first.pem, made(dir.path()).pem);
    }

    #[test]
    fn half_a_pair_is_made_new() {
        let dir = tempfile::tempdir().unwrap();
        let first = made(dir.path());
        std::fs::remove_file(dir.path().join("server-ca.key")).unwrap();
        assert_ne!(first.pem, made(dir.path()).pem);
    }

    #[test]
    fn a_key_of_another_ca_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        made(dir.path());
        let other = KeyPair::generate().unwrap();
        std::fs::write(dir.path().join("server-ca.key"), other.serialize_pem()).unwrap();
        let error = Ca::load_or_make(&dir.path().join("server-ca"), "server-ca").err().unwrap();
        assert!(format!("{error:#}").contains("does not match"), "{error:#}");
    }

    #[test]
    fn a_leaf_starts_when_its_ca_starts() {
        let dir = tempfile::tempdir().unwrap();
        let ca = made(dir.path());
        let leaf = ca.sign_client(&ADMIN).unwrap();
        let der = CertificateDer::from_pem_slice(leaf.chain.as_bytes()).unwrap();
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        assert_eq!(parsed.validity().not_before.to_datetime(), ca.not_before);
        assert_eq!(parsed.subject().to_string(), "O=system:masters, CN=system:admin");
    }

    #[test]
    fn a_request_cannot_choose_its_own_name() {
        let dir = tempfile::tempdir().unwrap();
        let (_, request) = request("system:admin").unwrap();
        let node = Subject { name: "system:node:a", organization: "system:nodes" };
        let chain = made(dir.path()).sign_request(&request, &node).unwrap();
        let der = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        assert_eq!(parsed.subject().to_string(), "O=system:nodes, CN=system:node:a");
        assert!(made(dir.path()).sign_request(b"garbage", &node).is_err());
    }

    #[test]
    fn a_sec1_key_is_read_with_its_parameters_before_it() {
        assert_eq!(key_pair(SEC1).unwrap().algorithm(), &rcgen::PKCS_ECDSA_P256_SHA256);
    }

    #[test]
    fn an_ed25519_key_is_refused() {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_pem();
        assert!(key_pair(&key).unwrap_err().to_string().contains("Ed25519"));
    }
}

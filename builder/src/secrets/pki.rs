//! The cluster's certificate authorities, and the certificate that they sign during a build.
//!
//! The structure is that of k3s: five independent self-signed CAs with EC P-256 keys (k3s
//! `pkg/daemons/control/deps/deps.go`, `createSigningCertKey`; dynamiclistener `cert/cert.go`, `NewSelfSignedCACert`).
//! One certificate per file keeps the hash in tokens simple: see [`super::token`]. ECDSA signatures are random, so
//! certificates are stored and never recreated.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::rand_core::OsRng;
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::clock::{days_after, moment};
use super::error::SecretsError;
use super::pem;
use crate::value::Secret;

/// The start of every certificate's validity: 2020-01-01.
///
/// All TLS fails if a certificate starts after the node's clock. A Pi has no hardware clock: it may start at the floor in its
/// seed, and before firstboot with any time after the base was written. The date is before every supported base. An early
/// start does not weaken security: a key is secret from its creation.
///
/// Nothing follows for the certificates that k3s signs with them: those begin one hour before they are signed, or with the
/// CA if that is later (dynamiclistener, `cert/cert.go`, `NewSignedCert`). So all nodes of a cluster have the same floor,
/// and a joining node takes the time from its server.
pub const NOT_BEFORE: i64 = 1_577_836_800;

/// Validity of a CA in days, as in k3s.
const CA_DAYS: i64 = 10 * 365;

/// Validity of the administrator's certificate in days, as in k3s. It is short because it cannot be revoked.
const ADMIN_DAYS: i64 = 365;

/// Size in bits of the key that signs service-account tokens, as in k3s.
pub(super) const SERVICE_KEY_BITS: usize = 2048;

/// User and group of the administrator's certificate: Kubernetes allows this group everything.
pub(super) const ADMIN_NAME: &str = "system:admin";
pub(super) const ADMIN_GROUP: &str = "system:masters";

/// A certificate with its private key, both in PEM format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CertifiedKey {
    pub(super) certificate: String,
    /// PKCS#8.
    pub(super) key: Secret,
}

/// One of the cluster's authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authority {
    /// Signs server certificates; its hash is in every token.
    Server,
    /// Signs client certificates: of nodes, components and the administrator.
    Client,
    /// Signs the API server's proxy certificate for extension API servers.
    RequestHeader,
    /// Signs etcd's certificates between members.
    EtcdPeer,
    /// Signs etcd's server and client certificates.
    EtcdServer,
}

/// All authorities of a cluster. Those of etcd are needed with SQLite too, or k3s creates them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authorities {
    pub(super) server: CertifiedKey,
    pub(super) client: CertifiedKey,
    pub(super) request_header: CertifiedKey,
    pub(super) etcd_peer: CertifiedKey,
    pub(super) etcd_server: CertifiedKey,
}

impl Authority {
    /// Its name in messages.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Server => "the server CA",
            Self::Client => "the client CA",
            Self::RequestHeader => "the request-header CA",
            Self::EtcdPeer => "the etcd peer CA",
            Self::EtcdServer => "the etcd server CA",
        }
    }

    /// The beginning of its common name; the time of its creation in seconds since 1970 follows, as in k3s.
    pub(super) fn name_prefix(self) -> &'static str {
        match self {
            Self::Server => "k3s-server-ca@",
            Self::Client => "k3s-client-ca@",
            Self::RequestHeader => "k3s-request-header-ca@",
            Self::EtcdPeer => "etcd-peer-ca@",
            Self::EtcdServer => "etcd-server-ca@",
        }
    }
}

impl Authorities {
    /// New ones, valid for ten years from `now`.
    pub(super) fn make(now: i64) -> Result<Self, SecretsError> {
        Ok(Self {
            server: make_authority(Authority::Server, now)?,
            client: make_authority(Authority::Client, now)?,
            request_header: make_authority(Authority::RequestHeader, now)?,
            etcd_peer: make_authority(Authority::EtcdPeer, now)?,
            etcd_server: make_authority(Authority::EtcdServer, now)?,
        })
    }

    /// All five, each with its kind.
    pub(super) fn each(&self) -> [(Authority, &CertifiedKey); 5] {
        [
            (Authority::Server, &self.server),
            (Authority::Client, &self.client),
            (Authority::RequestHeader, &self.request_header),
            (Authority::EtcdPeer, &self.etcd_peer),
            (Authority::EtcdServer, &self.etcd_server),
        ]
    }
}

fn make_authority(authority: Authority, now: i64) -> Result<CertifiedKey, SecretsError> {
    let failed = |source| SecretsError::Certificate { what: authority.title(), source };
    let key = Zeroizing::new(KeyPair::generate().map_err(failed)?);
    let mut params = params(days_after(now, CA_DAYS)?)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    params.distinguished_name.push(DnType::CommonName, format!("{}{now}", authority.name_prefix()));
    let certificate = params.self_signed(&*key).map_err(failed)?;
    Ok(CertifiedKey {
        certificate: pem::certificate(certificate.der()),
        key: pem::private_key(key.serialized_der()),
    })
}

/// A new certificate and key for the cluster's administrator, valid for a year from `now`.
pub(super) fn make_admin(client_ca: &CertifiedKey, now: i64) -> Result<CertifiedKey, SecretsError> {
    let failed = |source| SecretsError::Certificate { what: "the administrator's certificate", source };
    let unreadable = || failed(rcgen::Error::CouldNotParseCertificate);
    let ca_key = pem::private_key_der(client_ca.key.expose()).ok_or_else(unreadable)?;
    let ca_key = Zeroizing::new(KeyPair::try_from(ca_key.as_slice()).map_err(failed)?);
    let ca = pem::certificate_der(&client_ca.certificate).ok_or_else(unreadable)?;
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(ca), &*ca_key).map_err(failed)?;

    let key = Zeroizing::new(KeyPair::generate().map_err(failed)?);
    let mut params = params(days_after(now, ADMIN_DAYS)?)?;
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.distinguished_name.push(DnType::OrganizationName, ADMIN_GROUP);
    params.distinguished_name.push(DnType::CommonName, ADMIN_NAME);
    let certificate = params.signed_by(&*key, &issuer).map_err(failed)?;
    Ok(CertifiedKey {
        certificate: pem::certificate(certificate.der()),
        key: pem::private_key(key.serialized_der()),
    })
}

/// The parameters that all certificates share.
fn params(not_after: OffsetDateTime) -> Result<CertificateParams, SecretsError> {
    let mut params = CertificateParams::default();
    params.not_before = moment(NOT_BEFORE)?;
    params.not_after = not_after;
    // Replaces rcgen's default name.
    params.distinguished_name = DistinguishedName::new();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    Ok(params)
}

/// A new key for signing service-account tokens: RSA, because Kubernetes signs them with RS256 and k3s creates no other.
///
/// ring cannot create RSA keys. The crate `rsa` can, without C code. It does not sign or decrypt here, so its known
/// timing weakness (RUSTSEC-2023-0071), which is in those operations, does not matter.
pub(super) fn make_service_key() -> Result<Secret, SecretsError> {
    let failed = |cause: String| SecretsError::ServiceKey { cause };
    let key = rsa::RsaPrivateKey::new(&mut OsRng, SERVICE_KEY_BITS).map_err(|e| failed(e.to_string()))?;
    let der = key.to_pkcs1_der().map_err(|e| failed(e.to_string()))?;
    Ok(pem::rsa_private_key(der.as_bytes()))
}

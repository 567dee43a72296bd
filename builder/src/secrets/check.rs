//! Checks that the parts of a secrets file match each other and are still valid.

use std::fmt;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::traits::PublicKeyParts;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::clock::{Clock, date, moment};
use super::error::{Damage, SecretsError};
use super::pki::{self, CertifiedKey, SERVICE_KEY_BITS};
use super::{Secret, Secrets, password, pem};
use crate::value::TokenPassword;

const ADMIN: &str = "the administrator's certificate";

/// How long before its expiry a certificate gives a warning: for the administrator's as long as k3s does for its own.
const WARN_ADMIN: Duration = Duration::days(120);
const WARN_AUTHORITY: Duration = Duration::days(365);

/// A certificate that will expire soon, or whose expiry the cluster survives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    certificate: &'static str,
    ends: OffsetDateTime,
    over: bool,
    hint: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = if self.over { "expired" } else { "expires" };
        write!(f, "{} {ends} on {}: {}", self.certificate, date(self.ends), self.hint)
    }
}

/// Each key matches its certificate, each certificate has the right kind, each password has the right format.
pub(super) fn integrity(secrets: &Secrets) -> Result<(), Damage> {
    for (authority, pair) in secrets.authorities.each() {
        let title = authority.title();
        with_certificate(pair, title, |certificate| {
            require(certificate.is_ca(), title, "is not a CA certificate")?;
            require(certificate.verify_signature(None).is_ok(), title, "is not self-signed")?;
            let name = common_name(certificate).unwrap_or_default();
            require(name.starts_with(authority.name_prefix()), title, "has the wrong common name")
        })?;
    }
    with_certificate(&secrets.authorities.client, "the client CA", |client_ca| {
        with_certificate(&secrets.admin, ADMIN, |admin| {
            let signed = admin.verify_signature(Some(client_ca.public_key())).is_ok();
            require(
                signed && admin.issuer() == client_ca.subject(),
                ADMIN,
                "is not signed by the client CA",
            )?;
            require(is_admin(admin), ADMIN, "has the wrong user or group")
        })
    })?;
    let service_key = rsa::RsaPrivateKey::from_pkcs1_pem(secrets.service_key.expose());
    let good = service_key.is_ok_and(|key| key.n().bits() >= SERVICE_KEY_BITS);
    require(good, "the key for service-account tokens", "is not an RSA key of 2048 bits")?;

    let own = |token: &Secret| token.expose().parse::<TokenPassword>().is_ok();
    require(
        [&secrets.server_password, &secrets.agent_password]
            .into_iter()
            .all(|token| password::is_valid(token) || own(token)),
        "a token",
        "is neither 32 hexadecimal digits nor a token as the cluster file may have it",
    )?;
    let passwords = secrets.node_passwords.values();
    require(passwords.into_iter().all(password::is_valid), "a node password", "is not 32 hexadecimal digits")
}

/// The time in the common name of an authority that was made here or by k3s.
pub(super) fn made_at(authority: &CertifiedKey) -> Option<i64> {
    in_certificate(authority, |certificate| common_name(certificate)?.rsplit_once('@')?.1.parse().ok())
}

/// What `look` finds in a certificate; its key is not compared.
fn in_certificate<T>(pair: &CertifiedKey, look: impl FnOnce(&X509Certificate<'_>) -> Option<T>) -> Option<T> {
    let der = pem::certificate_der(&pair.certificate)?;
    look(&X509Certificate::from_der(&der).ok()?.1)
}

/// When the first of some authorities ends, in seconds since 1970.
pub(super) fn end<'a>(authorities: impl IntoIterator<Item = &'a CertifiedKey>) -> Option<i64> {
    let of_one = |authority| {
        in_certificate(authority, |certificate| Some(certificate.validity().not_after.timestamp()))
    };
    authorities.into_iter().filter_map(of_one).min()
}

/// Every CA is valid at the build time and has not expired; a certificate that expires soon gives a warning.
pub(super) fn validity(secrets: &Secrets, clock: Clock) -> Result<Vec<Warning>, SecretsError> {
    let build_time = moment(clock.build_time)?;
    // A build for an earlier time is still flashed now.
    let now = moment(clock.now.max(clock.build_time))?;
    let mut warnings = Vec::new();
    for (authority, pair) in secrets.authorities.each() {
        let certificate = authority.title();
        let (begins, ends) = period(pair, certificate)?;
        if begins > build_time {
            let (build_time, begins) = (date(build_time), date(begins));
            return Err(SecretsError::BuildTimeTooEarly { certificate, build_time, begins });
        }
        if ends <= now {
            return Err(SecretsError::Expired { certificate, ended: date(ends) });
        }
        if ends - now <= WARN_AUTHORITY {
            let hint = "plan for `k3s certificate rotate-ca` or a new cluster before that day";
            warnings.push(Warning { certificate, ends, over: false, hint });
        }
    }
    let (_, ends) = period(&secrets.admin, ADMIN)?;
    if ends - now <= WARN_ADMIN {
        let hint = "run `hcimage rotate admin-certificate` for a new one; the nodes need no change";
        warnings.push(Warning { certificate: ADMIN, ends, over: ends <= now, hint });
    }
    Ok(warnings)
}

fn period(
    pair: &CertifiedKey,
    title: &'static str,
) -> Result<(OffsetDateTime, OffsetDateTime), SecretsError> {
    with_certificate(pair, title, |certificate| {
        let validity = certificate.validity();
        Ok((validity.not_before.to_datetime(), validity.not_after.to_datetime()))
    })
    .map_err(|damage| SecretsError::Certificate { what: title, source: rcgen::Error::X509(damage.cause) })
}

/// Parses a certificate, compares its key, and passes it to `check`.
fn with_certificate<T>(
    pair: &CertifiedKey,
    title: &'static str,
    look: impl FnOnce(&X509Certificate<'_>) -> Result<T, Damage>,
) -> Result<T, Damage> {
    let damaged = || Damage::new(format!("{title} is not a valid certificate"));
    let der = pem::certificate_der(&pair.certificate).ok_or_else(damaged)?;
    let (rest, certificate) = X509Certificate::from_der(&der).map_err(|_| damaged())?;
    require(rest.is_empty(), title, "has extra data after its end")?;
    require(key_belongs(pair, &certificate), title, "does not match its key")?;
    look(&certificate)
}

fn key_belongs(pair: &CertifiedKey, certificate: &X509Certificate<'_>) -> bool {
    let Some(der) = pem::private_key_der(pair.key.expose()) else { return false };
    let Ok(key) = KeyPair::try_from(der.as_slice()).map(Zeroizing::new) else { return false };
    PublicKeyData::algorithm(&*key) == &PKCS_ECDSA_P256_SHA256
        && certificate.public_key().raw == key.subject_public_key_info()
}

fn is_admin(certificate: &X509Certificate<'_>) -> bool {
    let group = certificate.subject().iter_organization().next().and_then(|group| group.as_str().ok());
    let usage = certificate.extended_key_usage().ok().flatten();
    common_name(certificate) == Some(pki::ADMIN_NAME)
        && group == Some(pki::ADMIN_GROUP)
        && usage.is_some_and(|usage| usage.value.client_auth)
}

fn common_name<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a str> {
    certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok())
}

fn require(holds: bool, title: &str, fault: &str) -> Result<(), Damage> {
    if holds { Ok(()) } else { Err(Damage::new(format!("{title} {fault}"))) }
}

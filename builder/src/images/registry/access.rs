//! What the user says of registries: mirrors, credentials, certificate authorities.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use crate::value::Secret;

use super::auth;
use super::mirror::Mirror;

/// All registries that the user says something of.
#[derive(Debug, Clone, Default)]
pub struct RegistryHosts {
    /// Mirrors that are asked first, by the registry in the name, or `*`.
    pub mirrors: BTreeMap<String, Vec<Mirror>>,
    /// By host, with its port where the name has one.
    pub access: BTreeMap<String, RegistryAccess>,
}

/// How a registry is reached.
#[derive(Debug, Clone, Default)]
pub struct RegistryAccess {
    /// Credentials.
    pub credentials: Option<Credentials>,
    /// The CA certificate that verifies its own, PEM.
    pub ca: Option<String>,
}

/// Who asks a registry.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A user with a password.
    Password(Login),
    /// What a server of tokens takes in a password's place (OAuth 2.0 calls it a refresh token).
    IdentityToken(Secret),
}

/// A user with a password.
#[derive(Clone)]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// The password, or an access token that takes its place.
    pub password: Secret,
}

impl Login {
    /// The header that says who asks (RFC 7617). None where they cannot be in one.
    pub(crate) fn basic(&self) -> Option<HeaderValue> {
        let Self { username, password } = self;
        auth::secret(&format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.expose()))))
    }
}

/// Without the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

impl RegistryHosts {
    /// The mirrors of a registry, in order.
    pub(super) fn mirrors_of(&self, registry: &str) -> &[Mirror] {
        let found = self.mirrors.get(registry).or_else(|| self.mirrors.get("*"));
        found.map(Vec::as_slice).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_in_what_debugging_shows() {
        let login = Login { username: "pull".into(), password: Secret::new("geheim") };
        for credentials in [Credentials::Password(login), Credentials::IdentityToken(Secret::new("geheim"))] {
            let shown = format!("{credentials:?}");
            assert!(!shown.contains("geheim"), "{shown}");
        }
    }
}

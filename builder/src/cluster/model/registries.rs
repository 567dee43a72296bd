//! Private registries: what becomes `/etc/rancher/k3s/registries.yaml`.

use std::collections::BTreeMap;

use crate::value::{RegistryName, RegistryUrl, Secret};

/// Private registries.
#[derive(Debug, Clone)]
pub struct Registries {
    /// Mirrors of registries.
    pub mirrors: BTreeMap<RegistryName, Mirror>,
    /// Credentials and TLS settings of registries.
    pub access: BTreeMap<RegistryName, RegistryAccess>,
}

/// A mirror of a registry.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// Addresses, tried in order before the registry itself; may be empty for k3s's embedded registry.
    pub endpoints: Vec<RegistryUrl>,
    /// Patterns of repositories (Go regular expressions), each with its replacement.
    pub rewrite: BTreeMap<String, String>,
}

/// Credentials and TLS settings of a registry.
#[derive(Debug, Clone, Default)]
pub struct RegistryAccess {
    /// Credentials.
    pub auth: Option<RegistryAuth>,
    /// The CA certificate that verifies its certificate, PEM.
    pub ca: Option<String>,
    /// The client certificate and its key, both PEM.
    pub client: Option<(String, Secret)>,
    /// Whether verification of its certificate is skipped.
    pub insecure_skip_verify: bool,
}

/// Credentials for a registry.
#[derive(Debug, Clone)]
pub enum RegistryAuth {
    /// A user with a password.
    Password {
        /// The user's name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
}

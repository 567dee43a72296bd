//! Private registries: what becomes `/etc/rancher/k3s/registries.yaml`.

use std::collections::BTreeMap;

use crate::value::{RegistryName, RegistryUrl, Secret};

/// Private registries.
#[derive(Debug, Clone)]
pub struct Registries {
    /// Where the images of a registry come from instead.
    pub mirrors: BTreeMap<RegistryName, Mirror>,
    /// How to get into a registry.
    pub access: BTreeMap<RegistryName, RegistryAccess>,
}

/// Where the images of a registry come from instead.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// Addresses, asked in this order before the registry itself; may be empty for k3s's embedded registry.
    pub endpoints: Vec<RegistryUrl>,
    /// Patterns of image names (Go regular expressions) and what takes their place.
    pub rewrite: BTreeMap<String, String>,
}

/// How to get into a registry.
#[derive(Debug, Clone, Default)]
pub struct RegistryAccess {
    /// Who we are.
    pub auth: Option<RegistryAuth>,
    /// The authority that its certificate is checked against, PEM.
    pub ca: Option<String>,
    /// The certificate that we show it and the key to it, both PEM.
    pub client: Option<(String, Secret)>,
    /// Whether its certificate is not checked at all.
    pub insecure_skip_verify: bool,
}

/// Who we are to a registry.
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

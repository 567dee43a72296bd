//! `[registries]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::field::{Entries, Field};
use crate::cluster::field_type::{FileName, Word};
use crate::value::{RegistryName, RegistryUrl};

use super::k3s::SecretField;

/// Private registries of container images and mirrors of public ones, for all nodes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct RegistriesTable {
    /// Mirrors, by the registry in the image name (`docker.io`, or `*` for all).
    pub(in crate::cluster) mirrors: Entries<RegistryName, MirrorTable>,
    /// Credentials and TLS settings of a registry or mirror, by its host and port.
    pub(in crate::cluster) configs: Entries<RegistryName, ConfigTable>,
}

/// A mirror.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct MirrorTable {
    /// Its addresses, tried in order; the registry itself comes last. Leave it empty if k3s's embedded registry shares
    /// the images (`embedded-registry = true` in `[k3s.server]`).
    #[schemars(extend("default" = [], "examples" = [["https://registry.home.lan:5000"]]))]
    pub(in crate::cluster) endpoint: Vec<Field<RegistryUrl>>,
    /// Other names that the mirror has for images: regular expressions as in Go, each with its replacement. They change the
    /// part of the name between registry and tag (`library/nginx`), and not for the registry itself. The first that changes
    /// it counts; where several do, k3s takes any of them, and a build the first in the order of their text.
    #[schemars(extend("examples" = [{ "^rancher/(.*)": "mirror/rancher/$1" }]))]
    pub(in crate::cluster) rewrite: Entries<Word, Field<Word>>,
}

/// Credentials and TLS settings of a registry.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct ConfigTable {
    pub(in crate::cluster) auth: AuthTable,
    pub(in crate::cluster) tls: TlsTable,
}

/// Credentials: a user name with a password, or an identity token.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct AuthTable {
    /// The user's name. Needs `password`.
    #[schemars(extend("examples" = ["pull"]))]
    pub(in crate::cluster) username: Option<Field<Word>>,
    /// The password. Needs `username`.
    #[schemars(extend("examples" = [{ "file": "registry-password.txt" }]))]
    pub(in crate::cluster) password: Option<SecretField>,
    /// An identity token, instead of user name and password: what `docker login` gets from some clouds. The registry's
    /// server of tokens takes it, while building and on the nodes; a registry that wants a password does not.
    pub(in crate::cluster) token: Option<SecretField>,
}

/// TLS settings, for a registry without a certificate of a public CA.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct TlsTable {
    /// The CA certificate (PEM) that verifies the registry's certificate.
    #[schemars(extend("examples" = ["registry-ca.pem"]))]
    pub(in crate::cluster) ca_file: Option<Field<FileName>>,
    /// The client certificate (PEM) for the registry. Needs `key-file`.
    pub(in crate::cluster) cert_file: Option<Field<FileName>>,
    /// The private key (PEM) of that certificate. Needs `cert-file`.
    pub(in crate::cluster) key_file: Option<Field<FileName>>,
    /// Whether to skip verification of the registry's certificate: anyone on the network path could then replace images.
    #[schemars(extend("default" = false))]
    pub(in crate::cluster) insecure_skip_verify: Option<Field<bool>>,
}

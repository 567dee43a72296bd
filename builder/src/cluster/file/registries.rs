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
    /// Where images come from instead, by the registry that their names begin with (`docker.io`, or `*` for all).
    pub(in crate::cluster) mirrors: Entries<RegistryName, MirrorTable>,
    /// How to get into a registry or mirror, by its host (and port).
    pub(in crate::cluster) configs: Entries<RegistryName, ConfigTable>,
}

/// A mirror.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct MirrorTable {
    /// Its addresses, asked in this order; the registry itself comes last. Empty where k3s's embedded registry shall
    /// share the images (`embedded-registry = true` in `[k3s.server]`).
    #[schemars(extend("default" = [], "examples" = [["https://registry.home.lan:5000"]]))]
    pub(in crate::cluster) endpoint: Vec<Field<RegistryUrl>>,
    /// Regular expressions for image names, and what takes their place.
    #[schemars(extend("examples" = [{ "^rancher/(.*)": "mirror/rancher/$1" }]))]
    pub(in crate::cluster) rewrite: Entries<Word, Field<Word>>,
}

/// How to get into a registry.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct ConfigTable {
    pub(in crate::cluster) auth: AuthTable,
    pub(in crate::cluster) tls: TlsTable,
}

/// Who we are: a user name with a password, or a token.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct AuthTable {
    /// The user's name. Needs `password`.
    #[schemars(extend("examples" = ["pull"]))]
    pub(in crate::cluster) username: Option<Field<Word>>,
    /// The password. Needs `username`.
    #[schemars(extend("examples" = [{ "file": "registry-password.txt" }]))]
    pub(in crate::cluster) password: Option<SecretField>,
    /// An identity token, instead of the two.
    pub(in crate::cluster) token: Option<SecretField>,
}

/// How the connection is secured, where the public authorities do not do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct TlsTable {
    /// The authority (PEM) that the registry's certificate is checked against.
    #[schemars(extend("examples" = ["registry-ca.pem"]))]
    pub(in crate::cluster) ca_file: Option<Field<FileName>>,
    /// The certificate (PEM) that the nodes show the registry. Needs `key-file`.
    pub(in crate::cluster) cert_file: Option<Field<FileName>>,
    /// The key (PEM) to that certificate. Needs `cert-file`.
    pub(in crate::cluster) key_file: Option<Field<FileName>>,
    /// Whether the registry's certificate is not checked at all: anybody on the way could then put other images in.
    #[schemars(extend("default" = false))]
    pub(in crate::cluster) insecure_skip_verify: Option<Field<bool>>,
}

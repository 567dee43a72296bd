//! `[[users]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::field::Field;
use crate::cluster::field_type::{FileName, SecretSource};
use crate::value::{PasswordHash, SshKey, UserName};

/// An account. It needs an SSH key or a password. An account of the base image keeps its user ID and home directory. If
/// any account has a key, the SSH server is enabled and accepts keys only.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["name"]))]
pub(in crate::cluster) struct UserTable {
    /// Its name.
    #[schemars(extend("examples" = ["admin"]))]
    pub(in crate::cluster) name: Option<Field<UserName>>,
    /// Public keys for SSH, each one line as in a `.pub` file.
    #[schemars(extend("default" = [], "examples" = [["ssh-ed25519 AAAA… me@laptop"]]))]
    pub(in crate::cluster) ssh_keys: Vec<Field<SshKey>>,
    /// Files with public keys, one per line.
    #[schemars(extend("default" = [], "examples" = [["/home/me/.ssh/id_ed25519.pub"]]))]
    pub(in crate::cluster) ssh_key_files: Vec<Field<FileName>>,
    /// A password for the console, hashed by `mkpasswd --method=yescrypt`. The default is no password.
    #[schemars(extend("examples" = [{ "file": "admin-password-hash.txt" }]))]
    pub(in crate::cluster) password_hash: Option<Field<SecretSource<PasswordHash>>>,
    /// Whether it may become root with sudo, with its password if it has one, otherwise without. Root itself has no
    /// password then.
    #[schemars(extend("default" = true, "examples" = [false]))]
    pub(in crate::cluster) sudo: Option<Field<bool>>,
}

//! `[[users]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::field::Field;
use crate::cluster::field_type::{FileName, SecretSource};
use crate::value::{PasswordHash, SshKey, UserName};

/// An account. It needs an SSH key or a password. One that the base image has already keeps its number and its directory.
/// Where anybody has a key, the SSH server is on, and lets in by keys alone.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["name"]))]
pub(in crate::cluster) struct UserTable {
    /// Its name.
    #[schemars(extend("examples" = ["admin"]))]
    pub(in crate::cluster) name: Option<Field<UserName>>,
    /// Public keys that let it in by SSH, each one line as in a `.pub` file.
    #[schemars(extend("default" = [], "examples" = [["ssh-ed25519 AAAA… me@laptop"]]))]
    pub(in crate::cluster) ssh_keys: Vec<Field<SshKey>>,
    /// Files with such keys, one a line.
    #[schemars(extend("default" = [], "examples" = [["/home/me/.ssh/id_ed25519.pub"]]))]
    pub(in crate::cluster) ssh_key_files: Vec<Field<FileName>>,
    /// A password for the console, hashed as `mkpasswd --method=yescrypt` does it. Without it there is no password.
    #[schemars(extend("examples" = [{ "file": "admin-password-hash.txt" }]))]
    pub(in crate::cluster) password_hash: Option<Field<SecretSource<PasswordHash>>>,
    /// Whether it may become root with sudo: with its password where it has one, else without. Root itself has no
    /// password then.
    #[schemars(extend("default" = true, "examples" = [false]))]
    pub(in crate::cluster) sudo: Option<Field<bool>>,
}

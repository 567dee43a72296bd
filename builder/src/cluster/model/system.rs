//! Parts of a node other than k3s: its base image, accounts and overlays.

use std::fmt;
use std::path::PathBuf;

use crate::board::Board;
use crate::source::url::SourceUrl;
use crate::value::{DnsLabel, PasswordHash, SshKey, UserName};

/// A board and its base image.
#[derive(Debug, Clone)]
pub struct BoardChoice {
    /// The board's profile.
    pub profile: Board,
    /// The stock image in the cluster file; `None` for the profile's default or the command line's.
    pub base: Option<Base>,
}

/// A stock image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// A file; relative paths begin at the cluster file's directory.
    File(PathBuf),
    /// An address, with a checksum file beside it.
    Url(SourceUrl),
}

/// An account on every node.
#[derive(Debug, Clone)]
pub struct User {
    /// Its name.
    pub name: UserName,
    /// Its SSH keys, each once.
    pub ssh_keys: Vec<SshKey>,
    /// Its password for the console; `None` locks the password.
    pub password: Option<PasswordHash>,
    /// Whether it may become root.
    pub sudo: bool,
}

/// An overlay and its parameters. `Debug` prints the parameters' names only: some values are secrets.
#[derive(Clone)]
pub struct Overlay {
    /// The overlay.
    pub name: DnsLabel,
    /// The parameters, which the overlay checks.
    pub parameters: toml::Table,
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.parameters.keys().collect();
        f.debug_struct("Overlay").field("name", &self.name).field("parameters", &keys).finish()
    }
}

//! What goes onto a node beside k3s: its base and accounts.

use std::path::PathBuf;

use crate::board::Board;
use crate::source::url::SourceUrl;
use crate::value::{PasswordHash, SshKey, UserName};

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

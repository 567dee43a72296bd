//! The interface between a profile and a network service.

use std::fmt;

use super::at_boot::AtBoot;
use super::files::{FileError, Files};
use super::profile::Profile;
use crate::value::InterfaceName;

/// What a backend may know of the machine besides the profile.
pub struct Site<'a> {
    /// The interface to use where the profile names none and the service knows interfaces by name only.
    pub default_port: Option<&'a InterfaceName>,
    /// The files as they are.
    pub files: &'a dyn Files,
}

/// A file that a network service reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Render {
    /// Absolute path on the node.
    pub path: String,
    /// What becomes of it.
    pub change: Change,
    /// What it is for, in a few words for a person.
    pub reason: &'static str,
}

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The whole file is ours: root's, with these permission bits.
    Write {
        /// Permission bits.
        mode: u16,
        /// The whole text.
        text: String,
    },
    /// A file of the base is edited; owner and mode stay.
    Edit {
        /// The text that the file has now; none where it is missing.
        old: Option<String>,
        /// The whole text.
        text: String,
    },
}

impl Change {
    /// The whole text that the file will have.
    pub fn text(&self) -> &str {
        match self {
            Self::Write { text, .. } | Self::Edit { text, .. } => text,
        }
    }
}

/// What a network service can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It makes the interface of a VLAN.
    pub vlan: bool,
    /// It joins a wireless network.
    pub wifi: bool,
    /// It is supported on a Raspberry Pi only, where the kernel's names of the interfaces are known beforehand.
    pub pi_only: bool,
    /// It brings name servers and the search domain to `/etc/resolv.conf` by itself.
    pub resolver: bool,
}

/// One network service.
pub trait Backend: Sync {
    /// The name that its project uses.
    fn name(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Files of the base that [`Self::render`] and [`Self::at_boot`] read.
    fn reads(&self) -> &'static [&'static str] {
        &[]
    }

    /// Directories of which they read every file.
    fn reads_dirs(&self) -> &'static [&'static str] {
        &[]
    }

    /// The interface that will have the address, where its name is known: a VLAN's own, or the one that is named.
    fn link(&self, profile: &Profile<'_>, _site: &Site<'_>) -> Result<Option<InterfaceName>, RenderError> {
        Ok(profile.vlan.map(|vlan| vlan.interface()).or_else(|| profile.interface.cloned()))
    }

    /// The files for a profile. Pure: the same profile and files give the same bytes in the builder and on the node.
    fn render(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<Vec<Render>, RenderError>;

    /// What the service will do at the next start of the machine with these files. For what hcimage is about to write,
    /// they are [`super::Written`].
    fn at_boot(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<AtBoot, FileError>;

    /// Commands, program first, that end what the running service does on `link` by its old files; before new files are
    /// written. Most services do so by [`Self::reload`].
    fn release(&self, _link: &str) -> Vec<Vec<String>> {
        Vec::new()
    }

    /// Commands, program first, that make the running service read its files and bring `link` up with them, in this
    /// order.
    fn reload(&self, link: &str) -> Vec<Vec<String>>;
}

/// Why there are no files for a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenderError {
    /// The service cannot do what the profile asks.
    Unsupported(UnsupportedProfile),
    /// A file that decides over the new ones cannot be read.
    Unreadable(FileError),
}

impl From<UnsupportedProfile> for RenderError {
    fn from(error: UnsupportedProfile) -> Self {
        Self::Unsupported(error)
    }
}

impl From<FileError> for RenderError {
    fn from(error: FileError) -> Self {
        Self::Unreadable(error)
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(error) => error.fmt(f),
            Self::Unreadable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RenderError {}

/// Why a network service cannot do what a profile asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedProfile {
    /// What was asked for, and of which service.
    pub what: String,
    /// What to write or use instead.
    pub hint: String,
}

impl UnsupportedProfile {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

impl fmt::Display for UnsupportedProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not supported: {}", self.what, self.hint)
    }
}

impl std::error::Error for UnsupportedProfile {}

/// The reason of the file with the address.
pub(super) const ADDRESS: &str = "the node's address";
/// The reason of files for a VLAN.
pub(super) const PORT: &str = "the VLAN and the port below it";

pub(super) fn write(path: &str, mode: u16, text: String, reason: &'static str) -> Render {
    Render { path: path.to_owned(), change: Change::Write { mode, text }, reason }
}

pub(super) fn edit(path: &str, old: Option<String>, text: String) -> Render {
    Render { path: path.to_owned(), change: Change::Edit { old, text }, reason: ADDRESS }
}

pub(super) fn command<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

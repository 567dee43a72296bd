//! The interface between a profile and a network service.

use std::fmt;

use super::profile::Profile;
use crate::value::InterfaceName;

/// What the files of a base hold.
pub trait Files {
    /// The text of a regular file; none where there is no such file.
    fn text(&self, path: &str) -> Option<String>;
    /// Path and text of each regular file in a directory, sorted by path; empty where there is no such directory.
    fn dir(&self, dir: &str) -> Vec<(String, String)>;
}

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
        /// The whole text.
        text: String,
    },
}

impl Change {
    /// The whole text that the file will have.
    pub fn text(&self) -> &str {
        match self {
            Self::Write { text, .. } | Self::Edit { text } => text,
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
    /// Firstboot may write its files: [`Backend::reload`] makes the running service read them.
    pub reload: bool,
}

/// One network service.
pub trait Backend: Sync {
    /// The name that its project uses.
    fn name(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Files of the base that [`Self::render`] reads.
    fn reads(&self) -> &'static [&'static str] {
        &[]
    }

    /// Directories of the base of which [`Self::render`] reads every file.
    fn reads_dirs(&self) -> &'static [&'static str] {
        &[]
    }

    /// The interface that will have the address, where its name is known: a VLAN's own, or the one that is named.
    fn link(
        &self,
        profile: &Profile<'_>,
        _site: &Site<'_>,
    ) -> Result<Option<InterfaceName>, UnsupportedProfile> {
        Ok(profile.vlan.map(|vlan| vlan.interface()).or_else(|| profile.interface.cloned()))
    }

    /// The files for a profile. Pure: the same profile and files give the same bytes in the builder and on the node.
    fn render(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<Vec<Render>, UnsupportedProfile>;

    /// Commands, program first, that make the running service read its files and bring `link` up with them, in this
    /// order. Empty where [`Capabilities::reload`] is false.
    fn reload(&self, _link: &str) -> Vec<Vec<String>> {
        Vec::new()
    }
}

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

pub(super) fn edit(path: &str, text: String) -> Render {
    Render { path: path.to_owned(), change: Change::Edit { text }, reason: ADDRESS }
}

pub(super) fn command<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

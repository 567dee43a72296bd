//! The edits that a plan is made of.

use std::borrow::Cow;

use crate::fs::{Attributes, ImagePath};
use crate::source::artifact::Artifact;
use crate::source::digest::Sha256Digest;
use crate::value::Secret;

/// What is done to an image, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The edits; no path appears twice.
    pub edits: Vec<Edit>,
    /// The change of the disk's id in the MBR, if there is one.
    pub disk_id: Option<DiskId>,
}

/// A change of the id in an MBR, by which `PARTUUID=` names partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskId {
    /// What it is in the base.
    pub old: u32,
    /// What it will be.
    pub new: u32,
}

/// One change to one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Where, as the running system will see it.
    pub path: ImagePath,
    /// What is done.
    pub action: Action,
    /// Why, in a few words for a person.
    pub reason: Reason,
}

/// Why a path changes, in a few words for a person.
pub type Reason = Cow<'static, str>;

/// What is done to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A regular file is made or replaced; directories above it are made as needed.
    Write(Content, Attributes),
    /// A symbolic link is made or replaced.
    Link(String, Attributes),
    /// A directory is made, with those above it.
    Dir(Attributes),
    /// A file or link is removed, if it is there.
    Remove,
}

/// What a file will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Bytes that are at hand; a program that is compiled in is not copied for each node.
    Bytes(Cow<'static, [u8]>),
    /// Text that is secret, or may be: never shown, nor is its digest.
    Secret(Secret),
    /// Text with secrets in it, and the same with masks in their places.
    Masked(Secret, String),
    /// A file of this machine, copied and checked while it is copied. Firstboot checks it once more on the node.
    HostFile(Artifact),
    /// A file of the user's, of which there may be thousands: copied and checked in the same way, and not looked at on the node.
    UserFile(Artifact),
}

impl Content {
    /// The digest that the file will have.
    pub fn sha256(&self) -> Sha256Digest {
        match self {
            Self::Bytes(bytes) => Sha256Digest::of(bytes),
            Self::Secret(text) | Self::Masked(text, _) => Sha256Digest::of(text.expose().as_bytes()),
            Self::HostFile(artifact) | Self::UserFile(artifact) => artifact.sha256,
        }
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Secret(text) | Self::Masked(text, _) => {
                u64::try_from(text.expose().len()).unwrap_or(u64::MAX)
            }
            Self::HostFile(artifact) | Self::UserFile(artifact) => artifact.size,
        }
    }
}

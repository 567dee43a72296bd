//! A disk for data.

use crate::value::{DirMode, DirName, FsLabel, MountPoint};

/// A disk for data, found by its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDisk {
    /// The file system's label.
    pub label: FsLabel,
    /// Its mount point.
    pub mount: MountPoint,
    /// Whether the node needs it to start.
    pub required: bool,
    /// Whether a disk may be formatted.
    pub format: Format,
    /// Directories to create on it.
    pub dirs: Vec<DataDir>,
}

/// Whether a disk may be formatted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Never: a disk with the label must exist.
    Never,
    /// A disk without a signature or partition table gets a file system with the label.
    IfBlank,
}

/// A directory on the data disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    /// Its path below the mount point.
    pub path: DirName,
    /// Its permissions.
    pub mode: DirMode,
    /// User ID of its owner.
    pub uid: u32,
    /// Group ID of its owner.
    pub gid: u32,
}

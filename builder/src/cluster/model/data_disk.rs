//! A disk for data.

use crate::value::{DirMode, DirName, FsLabel, MountPoint, ValueError};

/// A disk for data, found by its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDisk {
    /// The file system's label.
    pub label: FsLabel,
    /// Where it is mounted.
    pub mount: MountPoint,
    /// Whether the node must not start without it.
    pub required: bool,
    /// Whether a disk may be formatted.
    pub format: Format,
    /// Directories to make on it.
    pub dirs: Vec<DataDir>,
}

impl DataDisk {
    /// The label that is looked for where none is given.
    pub const DEFAULT_LABEL: &str = "k8s-data";
    /// Where the disk is mounted where nothing else is given.
    pub const DEFAULT_MOUNT: &str = "/k8s-data";

    /// The disk of a node for which none is named: used if it is there, never formatted.
    pub fn optional() -> Result<Self, ValueError> {
        Ok(Self {
            label: Self::DEFAULT_LABEL.parse()?,
            mount: Self::DEFAULT_MOUNT.parse()?,
            required: false,
            format: Format::Never,
            dirs: Vec::new(),
        })
    }
}

/// Whether a disk may be formatted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Never: a disk with the label must be there.
    Never,
    /// A disk without any signature or partition table gets a file system with the label.
    IfBlank,
}

/// A directory on the data disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    /// Its path below the mount point.
    pub path: DirName,
    /// Its permissions.
    pub mode: DirMode,
    /// Number of the user that owns it.
    pub uid: u32,
    /// Number of the group that owns it.
    pub gid: u32,
}

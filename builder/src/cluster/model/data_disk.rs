//! A disk for data.

use crate::value::{DirMode, DirName, FsLabel, MountPoint, ValueError};

/// A disk for data, found by its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDisk {
    /// The file system's label.
    pub label: FsLabel,
    /// Its mount point.
    pub mount: MountPoint,
    /// Whether k3s keeps the state of the cluster on it, in [`DATASTORE_FOLDER`](hc_common::paths::DATASTORE_FOLDER): only
    /// with servers.
    pub datastore: bool,
    /// Whether the node needs it to start.
    pub required: bool,
    /// Whether a disk may be formatted.
    pub format: Format,
    /// Directories to create on it.
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
            datastore: false,
            required: false,
            format: Format::Never,
            dirs: Vec::new(),
        })
    }
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

//! `[data-disk]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::field::Field;
use crate::cluster::model::{DataDisk, Format};
use crate::value::{DirMode, DirName, FsLabel, MountPoint};

/// A second disk for data, found by its label, on every node without `data-disk = false`. A node does not start
/// without it.
///
/// Without this table a disk labelled `k8s-data` is mounted at `/k8s-data` if it is present.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct DataDiskTable {
    /// The label of its file system.
    #[schemars(extend("default" = DataDisk::DEFAULT_LABEL))]
    pub(in crate::cluster) label: Option<Field<FsLabel>>,
    /// Its mount point, where it hides neither a part of the system nor a file that the build writes.
    #[schemars(extend("default" = DataDisk::DEFAULT_MOUNT, "examples" = ["/srv/data"]))]
    pub(in crate::cluster) mount: Option<Field<MountPoint>>,
    /// Whether the disk of a server also has the state of the cluster, in its directory `k3s-datastore`. That takes the many small writes of k3s off
    /// the SD card, and a server that is flashed anew goes on with the cluster as it was.
    #[schemars(extend("default" = false))]
    pub(in crate::cluster) datastore: Option<Field<bool>>,
    /// Whether to format a disk without this label: `never` formats nothing; `if-blank` formats a disk that has no
    /// signature, no partition table and no data at either end, and refuses any other.
    #[schemars(extend("default" = "never", "examples" = ["if-blank"]))]
    pub(in crate::cluster) format: Option<Field<Format>>,
    /// Directories to create on it.
    #[serde(rename = "folders")]
    pub(in crate::cluster) dirs: Vec<DirTable>,
}

/// A directory on the data disk. An existing one keeps its owner and mode.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("required" = ["path"]))]
pub(in crate::cluster) struct DirTable {
    /// Its path below the mount point.
    #[schemars(extend("examples" = ["media/photos"]))]
    pub(in crate::cluster) path: Option<Field<DirName>>,
    /// Its permissions, four octal digits.
    #[schemars(extend("default" = "0755"))]
    pub(in crate::cluster) mode: Option<Field<DirMode>>,
    /// The user ID of its owner: the one that the containers which write there run as.
    #[schemars(extend("default" = 0, "examples" = [1000]))]
    pub(in crate::cluster) uid: Option<Field<u32>>,
    /// The group ID of its owner.
    #[schemars(extend("default" = 0, "examples" = [1000]))]
    pub(in crate::cluster) gid: Option<Field<u32>>,
}

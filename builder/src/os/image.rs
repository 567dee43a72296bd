//! An image file opened as a disk with a system.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::disk::{ByteSize, DiskError, Partition, PartitionTable, Window, other_file_system};
use crate::fs::ImagePath;
use crate::fs::ext4::{Ext4, Ext4Options};
use crate::fs::fat::{FatFs, FatOptions};
use crate::local_file;

use super::error::OsError;
use super::layout::{KERNELS, Layout};
use super::tree::Tree;

/// The access to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read-only: nothing is written, not even a timestamp.
    Read,
    /// Read-write: all changes have the timestamp `now`, in seconds since 1970.
    Write {
        /// The time of every change.
        now: i64,
    },
}

/// The role of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionRole {
    /// The root file system.
    Root,
    /// A separate ext4 at `/boot`, with kernels and `grub.cfg`.
    Kernels,
    /// The FAT partition that the firmware reads.
    Boot,
}

impl PartitionRole {
    /// Its name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Kernels => KERNELS,
            Self::Boot => "boot",
        }
    }
}

/// The directory of every image that hcimage built: its seed lies there.
const BUILT: &str = "/etc/hcimage";

/// Whether an image is a stock one, which holds no secrets: not one that hcimage built, nor one that cannot be read.
pub fn is_without_secrets(image: &Path) -> bool {
    let built = OsImage::open(image)
        .and_then(|image| image.tree(Access::Read))
        .map(|tree| tree.exists(&fixed(BUILT)));
    matches!(built, Ok(Ok(false)))
}

/// An image with a root and a boot partition, and optionally a separate `/boot`.
#[derive(Debug)]
pub struct OsImage {
    file: Arc<File>,
    table: PartitionTable,
    layout: Layout,
}

impl OsImage {
    /// Opens an image for reading.
    pub fn open(path: &Path) -> Result<Self, OsError> {
        let file = local_file::open(path).map_err(|source| DiskError::Io { what: "opening it", source })?;
        Self::from_file(Arc::new(file))
    }

    /// Reads the partition table and finds the partitions by their contents. Never writes.
    pub fn from_file(file: Arc<File>) -> Result<Self, OsError> {
        let disk = whole(&file)?;
        let table = PartitionTable::read(&disk)?;
        let layout = Layout::find(&disk, &table)?;
        Ok(Self { file, table, layout })
    }

    /// The same disk, byte for byte, in another file.
    pub fn copied_to(&self, file: Arc<File>) -> Self {
        Self { file, table: self.table.clone(), layout: self.layout.clone() }
    }

    /// The partition table.
    pub fn table(&self) -> &PartitionTable {
        &self.table
    }

    /// The root partition.
    pub fn root(&self) -> &Partition {
        &self.layout.root
    }

    /// All mounted partitions, with their roles and mount points: the root first, parents before children.
    pub fn mounts(&self) -> Vec<(PartitionRole, &Partition, ImagePath)> {
        let Layout { root, kernels, boot, boot_dir } = &self.layout;
        let mut mounts = vec![(PartitionRole::Root, root, ImagePath::root())];
        mounts.extend(kernels.iter().map(|kernels| (PartitionRole::Kernels, kernels, fixed(KERNELS))));
        mounts.push((PartitionRole::Boot, boot, boot_dir.clone()));
        mounts
    }

    /// The mount point of the FAT partition.
    pub fn boot_dir(&self) -> &ImagePath {
        &self.layout.boot_dir
    }

    /// Whether a path without links is on the root partition.
    pub fn on_root(&self, path: &ImagePath) -> bool {
        self.mounts().iter().skip(1).all(|(_, _, at)| path.below(at).is_none())
    }

    /// Size of the whole image in bytes.
    pub fn size(&self) -> Result<ByteSize, OsError> {
        Ok(ByteSize(whole(&self.file)?.len()))
    }

    /// The open image file.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The bytes of the root partition.
    pub fn root_window(&self) -> Result<Window, OsError> {
        Ok(self.layout.root.window(&whole(&self.file)?)?)
    }

    /// The root file system alone, for reading.
    pub fn root_fs(&self) -> Result<Ext4, OsError> {
        open_ext4(PartitionRole::Root.as_str(), self.root_window()?, Access::Read)
    }

    /// When the root file system was last written (`s_wtime` of its superblock), in seconds since 1970.
    pub fn root_written(&self) -> Result<i64, OsError> {
        Ok(self.root_fs()?.written())
    }

    /// All file systems, checked, as one tree.
    pub fn tree(&self, access: Access) -> Result<Tree, OsError> {
        let disk = whole(&self.file)?;
        let mut tree =
            Tree::new(Box::new(open_ext4(PartitionRole::Root.as_str(), self.root_window()?, access)?));
        for (role, partition, at) in self.mounts().into_iter().skip(1) {
            let window = partition.window(&disk)?;
            tree = match role {
                PartitionRole::Boot => tree.mount(role, at, Box::new(open_fat(window, access)?)),
                PartitionRole::Root | PartitionRole::Kernels => {
                    tree.mount(role, at, Box::new(open_ext4(role.as_str(), window, access)?))
                }
            };
        }
        Ok(tree)
    }
}

pub(super) fn whole(file: &Arc<File>) -> Result<Window, DiskError> {
    Window::whole(Arc::clone(file))
        .map_err(|source| DiskError::Io { what: "reading the size of the image", source })
}

pub(super) fn open_ext4(role: &'static str, window: Window, access: Access) -> Result<Ext4, OsError> {
    let (now, writable) = match access {
        Access::Read => (0, false),
        Access::Write { now } => (now, true),
    };
    Ext4::open(window, Ext4Options { now, writable, replay: false })
        .map_err(|source| OsError::Fs { role, source })
}

pub(super) fn open_fat(window: Window, access: Access) -> Result<FatFs, OsError> {
    let mtime = match access {
        Access::Read => 0,
        Access::Write { now } => now,
    };
    let refused = |source| match other_file_system(&window) {
        // Of another file system there may be old bytes in a sound FAT, so that is looked at only now.
        Ok(Some(name)) => OsError::Unsupported {
            what: format!("a boot partition with {name}"),
            hint: "take an image whose boot partition is FAT, as firmware wants it".to_owned(),
        },
        _ => OsError::Fs { role: "boot", source },
    };
    FatFs::open(window.clone(), FatOptions { mtime }).map_err(refused)
}

/// A literal path.
pub(super) fn fixed(path: &str) -> ImagePath {
    #[expect(clippy::expect_used, reason = "the paths are literals of this module, and tests walk over all")]
    ImagePath::parse(path).expect("a literal path is well-formed")
}

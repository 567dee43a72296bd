//! An image file opened as a disk with a system on it: which partition is what.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{ByteSize, DiskError, Partition, PartitionTable, PartitionType, Window};
use crate::edit::fstab;
use crate::fs::ext4::{Ext4, Ext4Options};
use crate::fs::fat::{FatFs, FatOptions};
use crate::fs::{FileSystem, FsError, ImagePath};

use super::error::OsError;
use super::tree::Tree;

/// Whether an image may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written, not even a time.
    Read,
    /// Everything that is made carries `now`, in seconds since 1970.
    Write {
        /// The time of every change.
        now: i64,
    },
}

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The root file system.
    Root,
    /// The FAT partition that the firmware reads.
    Boot,
}

impl Role {
    /// As messages call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Boot => "boot",
        }
    }
}

/// An image with a root and a boot partition.
#[derive(Debug)]
pub struct OsImage {
    file: Arc<File>,
    table: PartitionTable,
    root: Partition,
    boot: Partition,
    boot_folder: ImagePath,
}

const EXPECTED: &str = "one ext4 partition with a system, and one FAT partition that its /etc/fstab mounts";

impl OsImage {
    /// Opens an image for reading.
    pub fn open(path: &Path) -> Result<Self, OsError> {
        let file = File::open(path).map_err(|source| DiskError::Io { what: "opening it", source })?;
        Self::from_file(Arc::new(file))
    }

    /// Reads the partition table and finds the partitions by what is in them. Never writes.
    pub fn from_file(file: Arc<File>) -> Result<Self, OsError> {
        let disk = whole(&file)?;
        let table = PartitionTable::read(&disk)?;
        let root = find_root(&disk, &table)?;
        let (boot, boot_folder) = find_boot(&disk, &table, &root)?;
        Ok(Self { file, table, root, boot, boot_folder })
    }

    /// The same disk, byte for byte, in another file.
    pub fn copied_to(&self, file: Arc<File>) -> Self {
        let Self { file: _, table, root, boot, boot_folder } = self;
        Self {
            file,
            table: table.clone(),
            root: root.clone(),
            boot: boot.clone(),
            boot_folder: boot_folder.clone(),
        }
    }

    /// The partition table.
    pub fn table(&self) -> &PartitionTable {
        &self.table
    }

    /// The partition of a role.
    pub fn partition(&self, role: Role) -> &Partition {
        match role {
            Role::Root => &self.root,
            Role::Boot => &self.boot,
        }
    }

    /// Where the boot partition is mounted.
    pub fn boot_folder(&self) -> &ImagePath {
        &self.boot_folder
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
        Ok(self.root.window(&whole(&self.file)?)?)
    }

    /// The root file system alone, for reading.
    pub fn root_fs(&self) -> Result<Ext4, OsError> {
        open_ext4(self.root_window()?, Access::Read)
    }

    /// When the root file system was last written (`s_wtime` of its superblock), in seconds since 1970.
    pub fn root_written(&self) -> Result<i64, OsError> {
        Ok(self.root_fs()?.written())
    }

    /// Both file systems, checked, as one tree.
    pub fn tree(&self, access: Access) -> Result<Tree, OsError> {
        let root = open_ext4(self.root_window()?, access)?;
        let boot = open_fat(self.boot.window(&whole(&self.file)?)?, access)?;
        Ok(Tree::new(Box::new(root)).mount(self.boot_folder.clone(), Box::new(boot)))
    }
}

fn whole(file: &Arc<File>) -> Result<Window, DiskError> {
    Window::whole(Arc::clone(file))
        .map_err(|source| DiskError::Io { what: "reading the size of the image", source })
}

fn open_ext4(window: Window, access: Access) -> Result<Ext4, OsError> {
    let (now, writable) = match access {
        Access::Read => (0, false),
        Access::Write { now } => (now, true),
    };
    Ext4::open(window, Ext4Options { now, writable, replay: false })
        .map_err(|source| OsError::Fs { role: "root", source })
}

fn open_fat(window: Window, access: Access) -> Result<FatFs, OsError> {
    let mtime = match access {
        Access::Read => 0,
        Access::Write { now } => now,
    };
    FatFs::open(window, FatOptions { mtime }).map_err(|source| OsError::Fs { role: "boot", source })
}

/// The one Linux partition whose file system has an os-release. A damaged file system ends the search: to pass
/// over it and take another would be a guess.
fn find_root(disk: &Window, table: &PartitionTable) -> Result<Partition, OsError> {
    let mut found = Vec::new();
    for partition in table.partitions.iter().filter(|p| p.kind == PartitionType::Linux) {
        let fs = open_ext4(partition.window(disk)?, Access::Read)?;
        if has_os_release(&fs).map_err(|source| OsError::Fs { role: "root", source })? {
            found.push(partition.clone());
        }
    }
    match <[Partition; 1]>::try_from(found) {
        Ok([root]) => Ok(root),
        Err(found) if found.is_empty() => Err(layout(table, "no Linux partition holds a system")),
        Err(found) => Err(layout(table, &format!("{} partitions hold a system", found.len()))),
    }
}

fn has_os_release(fs: &dyn FileSystem) -> Result<bool, FsError> {
    for path in ["/etc/os-release", "/usr/lib/os-release"] {
        let path = fs.resolve(&fixed(path))?;
        if fs.stat(&path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The one FAT partition, and where the root's fstab mounts it.
fn find_boot(
    disk: &Window,
    table: &PartitionTable,
    root: &Partition,
) -> Result<(Partition, ImagePath), OsError> {
    let fats: Vec<&Partition> = table.partitions.iter().filter(|p| p.kind == PartitionType::Fat).collect();
    let [boot] = fats.as_slice() else {
        return Err(layout(table, &format!("{} FAT partitions", fats.len())));
    };
    let fs = open_ext4(root.window(disk)?, Access::Read)?;
    let text = read_text(&fs, "/etc/fstab")?;
    let mounts = fstab::mounts(&text);
    if let Some(separate) = mounts.iter().find(|mount| mount.point == "/boot" && mount.fstype != "vfat") {
        return Err(OsError::Unsupported {
            what: format!("a {} file system of its own at /boot", separate.fstype),
            cure: "use an image that keeps /boot on the root or FAT partition".to_owned(),
        });
    }
    let points: Vec<_> = mounts.iter().filter(|mount| mount.fstype == "vfat").collect();
    let [mount] = points.as_slice() else {
        return Err(layout(table, &format!("{} FAT mounts in /etc/fstab", points.len())));
    };
    let folder = ImagePath::parse(&mount.point)
        .map_err(|bad| OsError::File { path: "/etc/fstab".to_owned(), problem: bad.to_string() })?;
    Ok(((*boot).clone(), folder))
}

fn read_text(fs: &dyn FileSystem, path: &str) -> Result<String, OsError> {
    let failed = |source| OsError::Fs { role: "root", source };
    let resolved = fs.resolve(&fixed(path)).map_err(failed)?;
    let bytes = fs.read(&resolved, 1 << 20).map_err(failed)?;
    String::from_utf8(bytes)
        .map_err(|_| OsError::File { path: path.to_owned(), problem: "it is not UTF-8 text".to_owned() })
}

fn layout(table: &PartitionTable, problem: &str) -> OsError {
    let partitions: Vec<String> =
        table.partitions.iter().map(|p| format!("{} ({}, {})", p.number, p.kind, p.size)).collect();
    let partitions = if partitions.is_empty() { "none".to_owned() } else { partitions.join(", ") };
    OsError::Layout { found: format!("{problem}; partitions: {partitions}"), expected: EXPECTED }
}

/// A path that is written in this program.
pub(super) fn fixed(path: &str) -> ImagePath {
    #[expect(clippy::expect_used, reason = "the paths are literals of this module, and tests walk over all")]
    ImagePath::parse(path).expect("a literal path is well-formed")
}

//! Where things are on a FAT volume, from its boot sector.

use crate::disk::{SECTOR, Window};
use crate::fs::field::Field;
use crate::fs::{FsError, Result};

/// Most clusters of a volume that is edited: the check holds 4 bytes for each in memory.
const MAX_CLUSTERS: u32 = 8 << 20;

/// A structure that contradicts itself, with the fix.
pub(super) fn corrupt(what: impl Into<String>) -> FsError {
    FsError::Corrupt { what: what.into(), hint: Some("run `fsck.fat -a` on the partition") }
}

/// The same, where fsck.fat gives up or sees nothing.
pub(super) fn beyond_fsck(what: impl Into<String>) -> FsError {
    let hint = "fsck.fat does not cure this: make a new file system with mkfs.fat, and copy the files to it";
    FsError::Corrupt { what: what.into(), hint: Some(hint) }
}

/// For `map_err`: what was being done with the partition.
pub(super) fn io(what: &'static str) -> impl Fn(std::io::Error) -> FsError {
    move |source| FsError::Io { what: what.to_owned(), source }
}

/// The three sizes of a table's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Fat12,
    Fat16,
    Fat32,
}

/// Where the root directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// An area of fixed size: first byte, bytes.
    Area(u64, u64),
    /// A chain like any directory's, from this cluster on.
    Chain(u32),
}

/// The geometry of a sound volume. Offsets and sizes are in bytes of the partition.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) width: Width,
    /// A logical sector: 512, 1024, 2048 or 4096.
    pub(super) sector: u64,
    pub(super) cluster: u64,
    /// Clusters for data; they are numbered from 2 on.
    pub(super) clusters: u32,
    pub(super) fat: u64,
    /// A copy of the table, with what is behind its last entry.
    pub(super) fat_size: u64,
    /// The entries alone.
    pub(super) fat_bytes: u64,
    pub(super) fats: u64,
    pub(super) root: Root,
    pub(super) data: u64,
    /// The hints on free space, on FAT32 where they are valid.
    pub(super) info: Option<u64>,
    /// Where the boot sector's state is, which bit 0 of says that the volume is in use.
    pub(super) state: Option<u64>,
    /// The boot sector itself.
    pub(super) boot: Box<Sector>,
}

/// The boot sector.
pub(super) type Sector = [u8; 512];
type U8 = Field<512, 1>;
type U16 = Field<512, 2>;
type U32 = Field<512, 4>;

const JUMP: U8 = Field::at(0);
pub(super) const SECTOR_SIZE: U16 = Field::at(11);
pub(super) const SECTORS_PER_CLUSTER: U8 = Field::at(13);
pub(super) const RESERVED_SECTORS: U16 = Field::at(14);
pub(super) const FATS: U8 = Field::at(16);
pub(super) const ROOT_ENTRIES: U16 = Field::at(17);
const MEDIA: U8 = Field::at(21);
/// Sectors of the volume and of a table: a small field, and a large one that counts where the small one is 0.
pub(super) const TOTAL: (U16, U32) = (Field::at(19), Field::at(32));
pub(super) const SECTORS_PER_FAT: (U16, U32) = (Field::at(22), Field::at(36));
/// The state, and the signature of the extended fields that it is one of: on FAT32, and else.
const STATE_32: (u64, U8) = (0x41, Field::at(0x42));
const STATE: (u64, U8) = (0x25, Field::at(0x26));
/// Only on FAT32.
pub(super) const FLAGS: U16 = Field::at(40);
const VERSION: U16 = Field::at(42);
const ROOT_CLUSTER: U32 = Field::at(44);
pub(super) const INFO_SECTOR: U16 = Field::at(48);
pub(super) const BACKUP_SECTOR: U16 = Field::at(50);

/// The information sector's signatures, each with its place.
pub(super) const INFO_SIGNATURES: [(usize, [u8; 4]); 3] =
    [(0, *b"RRaA"), (484, *b"rrAa"), (508, [0, 0, 0x55, 0xaa])];

fn either(sector: &Sector, (small, large): (U16, U32)) -> u32 {
    match small.get(sector) {
        0 => large.get(sector),
        n => n.into(),
    }
}

impl Layout {
    /// Reads and checks the boot sector.
    pub(super) fn read(window: &Window) -> Result<Self> {
        let mut sector = [0; 512];
        if window.len() < SECTOR {
            return Err(beyond_fsck("the partition is smaller than a boot sector"));
        }
        window.read_exact_at(&mut sector, 0).map_err(io("reading the FAT boot sector"))?;
        let mut layout = Self::parse(&sector, window.len())?;
        if let Some(info) = layout.info {
            let mut sector = [0; 512];
            window.read_exact_at(&mut sector, info).map_err(io("reading the FAT information sector"))?;
            let signed = |(at, signature): &(usize, [u8; 4])| {
                sector.get(*at..).is_some_and(|rest| rest.starts_with(signature))
            };
            // Linux and fsck.fat do without it.
            layout.info = layout.info.filter(|_| INFO_SIGNATURES.iter().all(signed));
        }
        Ok(layout)
    }

    /// Takes what Linux' driver takes (`fat_read_bpb` and `fat_fill_super` in fs/fat/inode.c), but for what other readers
    /// of a boot partition need besides: UEFI firmware the jump at the beginning, a Raspberry Pi's the signature at the end.
    fn parse(sector: &Sector, partition: u64) -> Result<Self> {
        if sector.last_chunk() != Some(&[0x55, 0xaa]) || !matches!(JUMP.get(sector), 0xeb | 0xe9) {
            return Err(beyond_fsck("this is not a FAT boot sector"));
        }
        let size = SECTOR_SIZE.get(sector);
        if !matches!(size, 512 | 1024 | 2048 | 4096) {
            return Err(beyond_fsck(format!("the FAT boot sector has sectors of {size} bytes")));
        }
        let per_cluster = u32::from(SECTORS_PER_CLUSTER.get(sector));
        let (reserved, fats) = (u32::from(RESERVED_SECTORS.get(sector)), u32::from(FATS.get(sector)));
        let root_entries = u32::from(ROOT_ENTRIES.get(sector));
        let (total, per_fat) = (either(sector, TOTAL), either(sector, SECTORS_PER_FAT));
        let is_32 = SECTORS_PER_FAT.0.get(sector) == 0;
        if !per_cluster.is_power_of_two() || reserved == 0 || fats == 0 || per_fat == 0 || total == 0 {
            return Err(beyond_fsck("the FAT boot sector has impossible sizes"));
        }
        if !matches!(MEDIA.get(sector), 0xf0 | 0xf8..) {
            let what =
                format!("the FAT boot sector names the medium {:#x}, which there is not", MEDIA.get(sector));
            return Err(beyond_fsck(what));
        }
        let bytes = |sectors: u32| u64::from(sectors).saturating_mul(size.into());
        if bytes(total) > partition {
            let what = format!("the FAT has {} bytes, its partition has {partition}", bytes(total));
            return Err(beyond_fsck(what));
        }
        let slots = u32::from(size) / 32;
        if !root_entries.is_multiple_of(slots) || (root_entries == 0 && !is_32) {
            let what = format!("the FAT's root directory of {root_entries} entries does not fill sectors");
            return Err(beyond_fsck(what));
        }
        let head = fats.saturating_mul(per_fat).saturating_add(reserved).saturating_add(root_entries / slots);
        let clusters = total.saturating_sub(head) / per_cluster;
        let width = width(clusters, is_32)?;
        let fat_bytes = fat_bytes(width, clusters);
        if fat_bytes > bytes(per_fat) {
            return Err(beyond_fsck("the FAT is too short for its clusters"));
        }
        let root_size = u64::from(root_entries).saturating_mul(32);
        let data = bytes(head);
        let (root, info) = match width {
            Width::Fat32 => fat32(sector, clusters, reserved)?,
            _ => (Root::Area(data.saturating_sub(root_size), root_size), None),
        };
        // The state means something only with the signature of the extended fields.
        let (state, signature) = if is_32 { STATE_32 } else { STATE };
        Ok(Self {
            width,
            sector: size.into(),
            cluster: bytes(per_cluster),
            clusters,
            fat: bytes(reserved),
            fat_size: bytes(per_fat),
            fat_bytes,
            fats: fats.into(),
            root,
            data,
            info: info.map(bytes),
            state: matches!(signature.get(sector), 0x28 | 0x29).then_some(state),
            boot: Box::new(*sector),
        })
    }

    /// The number after the last cluster.
    pub(super) fn end(&self) -> u32 {
        self.clusters.saturating_add(2)
    }

    /// Where a cluster begins; none if the volume has no such cluster.
    pub(super) fn place(&self, cluster: u32) -> Option<u64> {
        let index = cluster.checked_sub(2).filter(|index| *index < self.clusters)?;
        self.data.checked_add(u64::from(index).checked_mul(self.cluster)?)
    }

    /// Clusters that so many bytes need.
    pub(super) fn clusters_for(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.cluster)
    }
}

/// A table's size in the large field alone makes a FAT32, of however few clusters, as for Linux; else the count decides.
fn width(clusters: u32, is_32: bool) -> Result<Width> {
    let width = match clusters {
        0 => return Err(beyond_fsck("the FAT has no clusters")),
        _ if is_32 => Width::Fat32,
        1..4085 => Width::Fat12,
        4085..65525 => Width::Fat16,
        _ => return Err(beyond_fsck(format!("{clusters} clusters are too many for a FAT16"))),
    };
    if clusters > MAX_CLUSTERS {
        return Err(FsError::Unsupported { what: format!("FAT with {clusters} clusters") });
    }
    Ok(width)
}

fn fat_bytes(width: Width, clusters: u32) -> u64 {
    let entries = u64::from(clusters).saturating_add(2);
    match width {
        Width::Fat12 => entries.saturating_mul(3).div_ceil(2),
        Width::Fat16 => entries.saturating_mul(2),
        Width::Fat32 => entries.saturating_mul(4),
    }
}

/// The root directory, and the information sector. Linux looks at neither the version nor which copy of the table is in use;
/// UEFI firmware does, and finds all copies the same, since they are checked and written so.
fn fat32(sector: &Sector, clusters: u32, reserved: u32) -> Result<(Root, Option<u32>)> {
    let (version, root) = (VERSION.get(sector), ROOT_CLUSTER.get(sector));
    if version != 0 {
        return Err(FsError::Unsupported { what: format!("FAT32 version {version}") });
    }
    if root < 2 || root.saturating_sub(2) >= clusters {
        return Err(beyond_fsck(format!(
            "the root directory begins at cluster {root}, which does not exist"
        )));
    }
    // Linux takes 0 for 1.
    let info = u32::from(INFO_SECTOR.get(sector)).max(1);
    Ok((Root::Chain(root), Some(info).filter(|info| *info < reserved)))
}

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
    pub(super) cluster: u64,
    /// Clusters for data; they are numbered from 2 on.
    pub(super) clusters: u32,
    pub(super) fat: u64,
    pub(super) fat_size: u64,
    pub(super) fats: u64,
    pub(super) root: Root,
    pub(super) data: u64,
    pub(super) media: u8,
    /// The hints on free space, on FAT32.
    pub(super) info: Option<u64>,
    /// The boot sector's state: bit 0 in use, bit 1 read errors.
    pub(super) state: u8,
}

/// The boot sector.
type Sector = [u8; 512];
type U8 = Field<512, 1>;
type U16 = Field<512, 2>;
type U32 = Field<512, 4>;

const JUMP: U8 = Field::at(0);
const SECTOR_SIZE: U16 = Field::at(11);
const SECTORS_PER_CLUSTER: U8 = Field::at(13);
const RESERVED_SECTORS: U16 = Field::at(14);
const FATS: U8 = Field::at(16);
const ROOT_ENTRIES: U16 = Field::at(17);
const MEDIA: U8 = Field::at(21);
/// Sectors of the volume and of a table: a small field, and a large one that counts where the small one is 0.
const TOTAL: (U16, U32) = (Field::at(19), Field::at(32));
const SECTORS_PER_FAT: (U16, U32) = (Field::at(22), Field::at(36));
/// The state, and the signature of the extended fields that it is one of: on FAT32, and else.
const STATE_32: (U8, U8) = (Field::at(0x41), Field::at(0x42));
const STATE: (U8, U8) = (Field::at(0x25), Field::at(0x26));
/// Only on FAT32.
const MIRRORING: U16 = Field::at(40);
const VERSION: U16 = Field::at(42);
const ROOT_CLUSTER: U32 = Field::at(44);
const INFO_SECTOR: U16 = Field::at(48);
const BACKUP_SECTOR: U16 = Field::at(50);

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
            return Err(corrupt("the partition is smaller than a boot sector"));
        }
        window.read_exact_at(&mut sector, 0).map_err(io("reading the FAT boot sector"))?;
        Self::parse(&sector, window.len())
    }

    fn parse(sector: &Sector, partition: u64) -> Result<Self> {
        if sector.last_chunk() != Some(&[0x55, 0xaa]) || !matches!(JUMP.get(sector), 0xeb | 0xe9) {
            return Err(corrupt("this is not a FAT boot sector"));
        }
        let size = SECTOR_SIZE.get(sector);
        if u64::from(size) != SECTOR {
            return Err(FsError::Unsupported { what: format!("FAT with sectors of {size} bytes") });
        }
        let per_cluster = u32::from(SECTORS_PER_CLUSTER.get(sector));
        let (reserved, fats) = (u32::from(RESERVED_SECTORS.get(sector)), u32::from(FATS.get(sector)));
        let root_entries = u32::from(ROOT_ENTRIES.get(sector));
        let (total, per_fat) = (either(sector, TOTAL), either(sector, SECTORS_PER_FAT));
        let is_32 = SECTORS_PER_FAT.0.get(sector) == 0;
        if !per_cluster.is_power_of_two() || reserved == 0 || !matches!(fats, 1 | 2) || per_fat == 0 {
            return Err(corrupt("the FAT boot sector has impossible sizes"));
        }
        if u64::from(total).saturating_mul(SECTOR) > partition {
            let what = format!("the FAT has {total} sectors, its partition has {}", partition / SECTOR);
            return Err(corrupt(what));
        }
        let root_sectors = root_entries.div_ceil(16);
        let head = reserved.saturating_add(fats.saturating_mul(per_fat)).saturating_add(root_sectors);
        let clusters = total.saturating_sub(head) / per_cluster;
        let width = width(clusters, is_32, root_entries)?;
        if fat_bytes(width, clusters) > u64::from(per_fat).saturating_mul(SECTOR) {
            return Err(corrupt("the FAT is too short for its clusters"));
        }
        let sectors = |n: u32| u64::from(n).saturating_mul(SECTOR);
        let data = sectors(head);
        let root_size = u64::from(root_entries).saturating_mul(32);
        let (root, info) = match width {
            Width::Fat32 => fat32(sector, clusters, reserved)?,
            _ => (Root::Area(data.saturating_sub(sectors(root_sectors)), root_size), None),
        };
        // The state means something only with the signature of the extended fields.
        let (state, signature) = if is_32 { STATE_32 } else { STATE };
        let state = if matches!(signature.get(sector), 0x28 | 0x29) { state.get(sector) } else { 0 };
        Ok(Self {
            width,
            cluster: sectors(per_cluster),
            clusters,
            fat: sectors(reserved),
            fat_size: sectors(per_fat),
            fats: fats.into(),
            root,
            data,
            media: MEDIA.get(sector),
            info,
            state,
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

/// The count of clusters alone decides the width; the other fields must agree with it.
fn width(clusters: u32, is_32: bool, root_entries: u32) -> Result<Width> {
    let width = match clusters {
        0 => return Err(corrupt("the FAT has no clusters")),
        1..4085 => Width::Fat12,
        4085..65525 => Width::Fat16,
        _ => Width::Fat32,
    };
    if (width == Width::Fat32) != is_32 || is_32 != (root_entries == 0) {
        return Err(corrupt(format!(
            "the FAT boot sector does not match the width of a table for {clusters} clusters"
        )));
    }
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

fn fat32(sector: &Sector, clusters: u32, reserved: u32) -> Result<(Root, Option<u64>)> {
    let (flags, version, root) = (MIRRORING.get(sector), VERSION.get(sector), ROOT_CLUSTER.get(sector));
    let (info, backup) = (u32::from(INFO_SECTOR.get(sector)), u32::from(BACKUP_SECTOR.get(sector)));
    if flags & 0x80 != 0 {
        return Err(FsError::Unsupported { what: "FAT32 without mirrored tables".to_owned() });
    }
    if version != 0 {
        return Err(FsError::Unsupported { what: format!("FAT32 version {version}") });
    }
    if info == 0 || info >= reserved || backup >= reserved {
        return Err(FsError::Unsupported { what: "FAT32 without an information sector".to_owned() });
    }
    if root < 2 || root.saturating_sub(2) >= clusters {
        return Err(corrupt(format!("the root directory begins at cluster {root}, which does not exist")));
    }
    Ok((Root::Chain(root), Some(u64::from(info).saturating_mul(SECTOR))))
}

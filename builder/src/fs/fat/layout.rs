//! Where things are on a FAT volume, from its boot sector.

use crate::disk::{SECTOR, Window};
use crate::fs::{FsError, Result};

/// Clusters up to which a volume is edited: the check holds 4 bytes for each in memory.
const MAX_CLUSTERS: u32 = 8 << 20;

/// Says that a structure contradicts itself, and how to fix it.
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

/// Little-endian fields of the boot sector; one that leaves it reads as 0, which no caller accepts.
struct Fields<'a>(&'a [u8; 512]);

impl Fields<'_> {
    fn u8(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }
    fn u16(&self, at: usize) -> u32 {
        u32::from(u16::from_le_bytes([self.u8(at), self.u8(at.saturating_add(1))]))
    }
    fn u32(&self, at: usize) -> u32 {
        self.u16(at) | (self.u16(at.saturating_add(2)) << 16)
    }
    fn either(&self, small: usize, large: usize) -> u32 {
        match self.u16(small) {
            0 => self.u32(large),
            n => n,
        }
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

    fn parse(sector: &[u8; 512], partition: u64) -> Result<Self> {
        let f = Fields(sector);
        if sector.last_chunk() != Some(&[0x55, 0xaa]) || !matches!(f.u8(0), 0xeb | 0xe9) {
            return Err(corrupt("this is no FAT boot sector"));
        }
        if f.u16(11) != 512 {
            return Err(FsError::Unsupported { what: format!("FAT with sectors of {} bytes", f.u16(11)) });
        }
        let (per_cluster, reserved, fats) = (u32::from(f.u8(13)), f.u16(14), u32::from(f.u8(16)));
        let (root_entries, total, per_fat) = (f.u16(17), f.either(19, 32), f.either(22, 36));
        let is_32 = f.u16(22) == 0;
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
            Width::Fat32 => fat32(&f, clusters, reserved)?,
            _ => (Root::Area(data.saturating_sub(sectors(root_sectors)), root_size), None),
        };
        // The state has a meaning only where the extended fields are announced.
        let state = if is_32 { (0x41, 0x42) } else { (0x25, 0x26) };
        let state = if matches!(f.u8(state.1), 0x28 | 0x29) { f.u8(state.0) } else { 0 };
        Ok(Self {
            width,
            cluster: sectors(per_cluster),
            clusters,
            fat: sectors(reserved),
            fat_size: sectors(per_fat),
            fats: fats.into(),
            root,
            data,
            media: f.u8(21),
            info,
            state,
        })
    }

    /// The first number that is no cluster's.
    pub(super) fn end(&self) -> u32 {
        self.clusters.saturating_add(2)
    }

    /// Where a cluster begins; none if the volume has no such cluster.
    pub(super) fn place(&self, cluster: u32) -> Option<u64> {
        let index = cluster.checked_sub(2).filter(|index| *index < self.clusters)?;
        self.data.checked_add(u64::from(index).checked_mul(self.cluster)?)
    }

    /// Clusters that so many bytes take.
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
            "the FAT boot sector is of another width than {clusters} clusters need"
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

fn fat32(f: &Fields<'_>, clusters: u32, reserved: u32) -> Result<(Root, Option<u64>)> {
    let (flags, version, root, info, backup) = (f.u16(40), f.u16(42), f.u32(44), f.u16(48), f.u16(50));
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

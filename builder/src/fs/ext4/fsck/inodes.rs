//! Which inodes are in use: by their bitmaps and by what they say, and whether directories name each of them.
//!
//! An inode that is used, but free in its bitmap, would be given to the next new file. One that is used in its bitmap,
//! but has no name, is damage too, though a harmless one.
//!
//! There may be millions of inodes, so each has one byte here, and only those whose links are counted have more.
//!
//! [Inodes](https://docs.kernel.org/filesystems/ext4/inodes.html): one without links is not in use.

use fs_ext4::block_io::BlockDevice;

use super::claims::Claims;
use super::groups;
use super::inode::{self, is_reserved};
use crate::fs::Result;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::bitmap::Bitmap;
use crate::fs::ext4::layout::features::{DIR_NLINK, ORPHAN_FILE};
use crate::fs::ext4::layout::inode::{DIR, Inode};
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::ext4::volume::groups::Group;

/// Bytes of an inode table that are read at once.
const PIECE: u32 = 1 << 18;

/// An inode's byte: the format bits of `i_mode`, shifted by twelve, and these.
const FORMAT: u8 = 0x0f;
/// A directory names it.
const NAMED: u8 = 0x10;
/// It is in the list of those whose names are counted: its links are not one.
const COUNTED: u8 = 0x20;
/// It is a directory that was met.
const ENTERED: u8 = 0x40;

/// An inode whose links are counted.
struct Counted {
    number: u32,
    links: u16,
    names: u16,
}

/// The inodes of a file system, and how often directories name each.
pub(super) struct Inodes {
    /// A byte for each inode that was ever used, by groups.
    groups: Vec<Vec<u8>>,
    per_group: u32,
    /// In the order of their numbers.
    counted: Vec<Counted>,
    /// An inode that needs no name.
    orphan_file: Option<u32>,
    /// Whether directories with too many directories in them have one link.
    many: bool,
}

impl Inodes {
    /// Reads all inodes, and checks and claims the blocks of those that are in use.
    pub(super) fn read(volume: &Volume, claims: &mut Claims) -> Result<Self> {
        let mut inodes = Self {
            groups: Vec::new(),
            per_group: volume.sb.inodes_per_group.max(1),
            counted: Vec::new(),
            orphan_file: orphan_file(volume),
            many: volume.features.has_ro_compat(DIR_NLINK),
        };
        for_each(volume, |inode| {
            inode::check(volume, claims, inode)?;
            if !is_reserved(volume, inode.number) {
                inodes.note(inode);
            }
            Ok(())
        })?;
        Ok(inodes)
    }

    fn note(&mut self, inode: &Inode) {
        let number = inode.number;
        let Some(index) = number.checked_sub(1) else { return };
        let (group, at) = (index / self.per_group, index % self.per_group);
        let (Ok(group), Ok(at)) = (usize::try_from(group), usize::try_from(at)) else { return };
        if self.groups.len() <= group {
            self.groups.resize(group.saturating_add(1), Vec::new());
        }
        let counted = inode.links() != 1;
        if counted {
            self.counted.push(Counted { number, links: inode.links(), names: 0 });
        }
        if let Some(bytes) = self.groups.get_mut(group) {
            if bytes.len() <= at {
                bytes.resize(at.saturating_add(1), 0);
            }
            if let Some(byte) = bytes.get_mut(at) {
                let [_, high] = inode.format().to_le_bytes();
                *byte = high >> 4 | if counted { COUNTED } else { 0 };
            }
        }
    }

    /// Notes a name of an inode, and returns the format of the inode; none if it is not in use.
    pub(super) fn named(&mut self, number: u32) -> Result<Option<u16>> {
        let many = self.many;
        let Some(byte) = self.byte(number).filter(|byte| **byte & FORMAT != 0) else { return Ok(None) };
        let format = u16::from(*byte & FORMAT) << 12;
        let again = *byte & NAMED != 0;
        *byte |= NAMED;
        if *byte & COUNTED != 0 {
            if let Ok(at) = self.counted.binary_search_by_key(&number, |counted| counted.number)
                && let Some(counted) = self.counted.get_mut(at)
            {
                counted.names = counted.names.saturating_add(1);
            }
        } else if again && !(many && format == DIR) {
            return Err(corrupt(format!("inode {number} has 1 link, but more names")));
        }
        Ok(Some(format))
    }

    /// Whether a directory is met for the first time.
    pub(super) fn enter(&mut self, dir: u32) -> bool {
        let Some(byte) = self.byte(dir) else { return false };
        let first = *byte & ENTERED == 0;
        *byte |= ENTERED;
        first
    }

    /// Compares the links of every inode with the names that were found. A directory also has a link to itself, and
    /// one from each directory in it.
    pub(super) fn check_links(&self) -> Result<()> {
        for Counted { number, links, names } in &self.counted {
            if links != names && self.orphan_file != Some(*number) {
                return Err(corrupt(format!("inode {number} has {links} links, {names} were found")));
            }
        }
        for (group, bytes) in (0_u32..).zip(&self.groups) {
            for (index, byte) in (1_u32..).zip(bytes) {
                let number = group.saturating_mul(self.per_group).saturating_add(index);
                let unnamed = byte & FORMAT != 0 && byte & (NAMED | COUNTED) == 0;
                if unnamed && self.orphan_file != Some(number) {
                    return Err(corrupt(format!("inode {number} has 1 links, 0 were found")));
                }
            }
        }
        Ok(())
    }

    fn byte(&mut self, number: u32) -> Option<&mut u8> {
        let index = number.checked_sub(1)?;
        let group = self.groups.get_mut(usize::try_from(index / self.per_group).ok()?)?;
        group.get_mut(usize::try_from(index % self.per_group).ok()?)
    }
}

/// Calls `found` for each inode that is in use, in the order of their numbers. Inode and bitmap must agree about that;
/// inodes that are kept for the file system itself are in use whatever the bitmap says.
pub(super) fn for_each(volume: &Volume, mut found: impl FnMut(&Inode) -> Result<()>) -> Result<()> {
    for number in 0..volume.group_count() {
        let group = groups::group(volume, number)?;
        let touched = volume.touched_inodes(&group);
        let reading = |error| convert(error, &format!("the inodes of group {number}"));
        let bitmap = volume.inode_bitmap(&group).map_err(reading)?;
        if let Some(index) = bitmap.first_used(touched..volume.sb.inodes_per_group) {
            let number = inode_number(volume, number, index);
            return Err(corrupt(format!(
                "inode {number} is in use, but its group says that it was never used"
            )));
        }
        table(volume, &group, touched, &bitmap, &mut found)?;
    }
    Ok(())
}

fn table(
    volume: &Volume,
    group: &Group,
    touched: u32,
    bitmap: &Bitmap,
    found: &mut impl FnMut(&Inode) -> Result<()>,
) -> Result<()> {
    let size = u32::from(volume.sb.inode_size.max(1));
    let start = volume.place(group.descriptor.inode_table);
    let reading = |error| convert(error, &format!("the inodes of group {}", group.number));
    let start = start.map_err(reading)?;
    let at_once = (PIECE / size).max(1);
    let mut piece = Vec::new();
    for first in (0..touched).step_by(usize::try_from(at_once).unwrap_or(1)) {
        let count = at_once.min(touched.saturating_sub(first));
        piece.resize(usize::try_from(count.saturating_mul(size)).unwrap_or(0), 0);
        let at = start.saturating_add(u64::from(first).saturating_mul(size.into()));
        volume.device.read_at(at, &mut piece).map_err(reading)?;
        let bytes = piece.chunks_exact(usize::try_from(size).unwrap_or(1));
        for (index, bytes) in (first..).zip(bytes) {
            let number = inode_number(volume, group.number, index);
            let marked = bitmap.is_used(index);
            // Most of a table: not even parsed.
            if !marked && !is_reserved(volume, number) && bytes.iter().all(|byte| *byte == 0) {
                continue;
            }
            let inode = Inode::parse(number, bytes).map_err(reading)?;
            if is_in_use(volume, &inode, marked)? {
                found(&inode)?;
            }
        }
    }
    Ok(())
}

/// Whether an inode is in use, which its bitmap and what it says must agree about. One that is kept for the file system
/// itself is, whatever they say. Where checksums are kept, bytes that never were an inode do not match theirs, and are ignored.
pub(super) fn is_in_use(volume: &Volume, inode: &Inode, marked: bool) -> Result<bool> {
    let number = inode.number;
    if is_reserved(volume, number) {
        return Ok(true);
    }
    match (marked, inode.links() != 0) {
        (true, false) => Err(corrupt(format!("inode {number} has no links, but is used in its bitmap"))),
        (false, true) if inode.is_sound(volume.checksums) => {
            Err(corrupt(format!("inode {number} has links, but is free in its bitmap")))
        }
        _ => Ok(marked),
    }
}

/// The number of the inode `index` of a group.
pub(super) fn inode_number(volume: &Volume, group: u32, index: u32) -> u32 {
    group.saturating_mul(volume.sb.inodes_per_group).saturating_add(index).saturating_add(1)
}

/// The inode of the orphan file, which has a link, but no name.
pub(super) fn orphan_file(volume: &Volume) -> Option<u32> {
    let sb = volume.superblock().ok()?;
    sb.features().has_compat(ORPHAN_FILE).then(|| sb.orphan_file())
}

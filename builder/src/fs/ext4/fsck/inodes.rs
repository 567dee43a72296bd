//! Which inodes are in use: by their bitmaps and by what they say, and whether directories name each of them.
//!
//! An inode that is used, but free in its bitmap, would be given to the next new file. One that is used in its bitmap,
//! but has no name, is damage too, though a harmless one.
//!
//! [Inodes](https://docs.kernel.org/filesystems/ext4/inodes.html): one without links is not in use.

use std::collections::HashSet;

use fs_ext4::Filesystem;
use fs_ext4::bgd::{BgdFlags, BlockGroupDescriptor};
use fs_ext4::inode::{Inode, InodeFlags, S_IFDIR, S_IFMT};

use super::block_usage::{self, Claims};
use super::blocks::read_block;
use crate::fs::Result;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::bitmap::Bitmap;
use crate::fs::ext4::layout::bytes::get_u16;
use crate::fs::ext4::layout::features::{
    DIR_INDEX, DIR_NLINK, Features, METADATA_CSUM, ORPHAN_FILE, UNINIT_BG,
};
use crate::fs::ext4::layout::inode::{BASE, ROOT};
use crate::fs::ext4::layout::superblock::RawSuperblock;

/// Descriptors say how much of an inode table was ever used.
const GROUP_SUMS: u32 = UNINIT_BG | METADATA_CSUM;
/// Flags (`i_flags`) that only features which are refused bring: encrypt, verity, ea_inode, inline_data, casefold.
const FLAGS_OF_REFUSED_FEATURES: u32 = 0x800 | 0x10_0000 | 0x20_0000 | 0x1000_0000 | 0x4000_0000;
/// An inode that is in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// The format bits of `i_mode`.
    pub(crate) format: u16,
    links: u16,
}

/// The inodes of a file system, and how often directories name each.
pub(crate) struct Inodes {
    used: Vec<Option<Used>>,
    names: Vec<u32>,
    entered: HashSet<u32>,
}

impl Inodes {
    /// Reads all inodes, and checks the blocks of those that are in use.
    pub(crate) fn read(fs: &Filesystem) -> Result<Self> {
        let mut claims = Claims::new(fs)?;
        let mut used = Vec::new();
        for group in &fs.groups {
            let bitmap = if group.flags().contains(BgdFlags::INODE_UNINIT) {
                Bitmap::default()
            } else {
                Bitmap::from_bytes(read_block(fs, group.inode_bitmap)?)
            };
            let touched = touched(fs, group);
            for index in 0..fs.sb.inodes_per_group {
                let number = u32::try_from(used.len()).unwrap_or(u32::MAX).saturating_add(1);
                let marked = bitmap.get(index.into()) == Some(true);
                if marked && index >= touched {
                    return Err(corrupt(format!(
                        "inode {number} is in use, but its group says that it was never used"
                    )));
                }
                used.push(if index < touched { inode(fs, &mut claims, number, marked)? } else { None });
            }
        }
        let names = vec![0; used.len()];
        Ok(Self { used, names, entered: HashSet::from([ROOT]) })
    }

    /// An inode that a directory names; none if it is not in use.
    pub(crate) fn named(&mut self, number: u32) -> Option<Used> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let names = self.names.get_mut(index)?;
        *names = names.saturating_add(1);
        self.used.get(index).copied().flatten()
    }

    /// Whether a directory is met for the first time.
    pub(crate) fn enter(&mut self, dir: u32) -> bool {
        self.entered.insert(dir)
    }

    /// Compares the links of every inode with the names that were found. A directory also has a link to itself, and
    /// one from each directory in it.
    pub(crate) fn check_links(&self, fs: &Filesystem) -> Result<()> {
        let many = Features::from(&fs.sb).has_ro_compat(DIR_NLINK);
        let orphan_file = orphan_file(fs);
        for ((number, used), names) in (1_u32..).zip(&self.used).zip(&self.names) {
            let Some(used) = used else { continue };
            if (number < fs.sb.first_inode && number != ROOT) || Some(number) == orphan_file {
                continue;
            }
            let uncounted = many && used.links == 1 && used.format == S_IFDIR && *names > 0;
            if u32::from(used.links) != *names && !uncounted {
                return Err(corrupt(format!("inode {number} has {} links, {names} were found", used.links)));
            }
        }
        Ok(())
    }
}

/// The inode if it is in use. The inode and its bitmap must agree about that.
fn inode(fs: &Filesystem, claims: &mut Claims, number: u32, marked: bool) -> Result<Option<Used>> {
    let what = format!("inode {number}");
    if !marked {
        return check_unused(fs, number).map(|()| None);
    }
    let (inode, raw) = fs.read_inode_verified(number).map_err(|error| convert(error, &what))?;
    check_form(fs, &what, &inode, &raw)?;
    if inode.links_count == 0 && number >= fs.sb.first_inode {
        return Err(corrupt(format!("{what} has no links, but is used in its bitmap")));
    }
    block_usage::inode(fs, claims, number, &inode)?;
    Ok(Some(Used { format: inode.mode & S_IFMT, links: inode.links_count }))
}

/// Refuses an inode that is of another form than the features of the file system allow.
fn check_form(fs: &Filesystem, what: &str, inode: &Inode, raw: &[u8]) -> Result<()> {
    let may_have_tree = inode.mode & S_IFMT == S_IFDIR && Features::from(&fs.sb).has_compat(DIR_INDEX);
    let misled = inode.flags & InodeFlags::INDEX.bits() != 0 && !may_have_tree;
    if inode.flags & FLAGS_OF_REFUSED_FEATURES != 0 || misled {
        return Err(corrupt(format!("{what} has the flags {:#x}, which it cannot have", inode.flags)));
    }
    let room = raw.len().saturating_sub(BASE);
    if room == 0 {
        return Ok(());
    }
    let extra = get_u16(raw, BASE).map_err(|error| convert(error, what))?;
    if extra != 0 && (extra < 4 || !extra.is_multiple_of(4) || usize::from(extra) > room) {
        return Err(corrupt(format!("{what} has an impossible i_extra_isize of {extra}")));
    }
    Ok(())
}

/// Where checksums are kept, bytes that never were an inode do not match theirs, and are ignored.
fn check_unused(fs: &Filesystem, number: u32) -> Result<()> {
    if number < fs.sb.first_inode {
        return Ok(());
    }
    let raw = fs.read_inode_raw(number).map_err(|error| convert(error, "reading an unused inode"))?;
    let in_use = Inode::parse(&raw).is_ok_and(|inode| {
        let meant = !fs.csum.enabled || fs.csum.verify_inode(number, inode.generation, &raw);
        inode.links_count != 0 && meant
    });
    if in_use {
        return Err(corrupt(format!("inode {number} has links, but is free in its bitmap")));
    }
    Ok(())
}

/// How many inodes of a group were ever used; the bytes behind them may be anything.
fn touched(fs: &Filesystem, group: &BlockGroupDescriptor) -> u32 {
    let all = fs.sb.inodes_per_group;
    if !Features::from(&fs.sb).has_ro_compat(GROUP_SUMS) {
        return all;
    }
    if group.flags().contains(BgdFlags::INODE_UNINIT) { 0 } else { all.saturating_sub(group.itable_unused) }
}

fn orphan_file(fs: &Filesystem) -> Option<u32> {
    let sb = RawSuperblock(*fs.sb.raw.first_chunk()?);
    sb.features().has_compat(ORPHAN_FILE).then(|| sb.orphan_file())
}

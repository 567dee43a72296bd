//! Which inodes are in use: by their bitmaps and by their own word, and whether a directory names each of them.
//!
//! An inode that is used and called free will be given away by the next file that is made, content included. One
//! that is called used and named by nobody is damage too, though a harmless one.
//!
//! [Inodes](https://docs.kernel.org/filesystems/ext4/inodes.html): one without links is not in use.

use std::collections::HashSet;

use fs_ext4::Filesystem;
use fs_ext4::bgd::{BgdFlags, BlockGroupDescriptor};
use fs_ext4::inode::{Inode, InodeFlags, S_IFDIR, S_IFMT};

use super::blockmap::{self, Claims, bit_of, read_block};
use super::error::{convert, corrupt};
use crate::fs::Result;

/// `uninit_bg` and `metadata_csum`: descriptors say how much of an inode table was ever used.
const GROUP_SUMS: u32 = 0x10 | 0x400;
/// `dir_index`: directories may have hash trees.
const DIR_INDEX: u32 = 0x20;
/// `dir_nlink`: a directory with one link has more subfolders than can be counted.
const DIR_NLINK: u32 = 0x20;
/// `orphan_file`, and where the superblock keeps the inode of the file, which no directory names.
const ORPHAN_FILE: u32 = 0x1000;
const ORPHAN_INODE: std::ops::Range<usize> = 0x280..0x284;
/// Flags (`i_flags`) that only features which are refused bring: encrypt, verity, ea_inode, inline_data, casefold.
const FLAGS_OF_REFUSED_FEATURES: u32 = 0x800 | 0x10_0000 | 0x20_0000 | 0x1000_0000 | 0x4000_0000;
/// Bytes of every inode, and where larger ones say how many of the others are fields (`i_extra_isize`).
const FIXED_SIZE: usize = 128;
const EXTRA_SIZE: std::ops::Range<usize> = 0x80..0x82;
/// The root directory, the one inode among the reserved ones that is counted.
pub(super) const ROOT: u32 = 2;

/// An inode that is in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    /// The format bits of `i_mode`.
    pub(super) format: u16,
    links: u16,
}

/// The inodes of a file system, and how often directories name each.
pub(super) struct Inodes {
    used: Vec<Option<Used>>,
    names: Vec<u32>,
    entered: HashSet<u32>,
}

impl Inodes {
    /// Reads all inodes, and checks the blocks of those that are in use.
    pub(super) fn read(fs: &Filesystem) -> Result<Self> {
        let mut claims = Claims::new(fs)?;
        let mut used = Vec::new();
        for group in &fs.groups {
            let bitmap = if group.flags().contains(BgdFlags::INODE_UNINIT) {
                Vec::new()
            } else {
                read_block(fs, group.inode_bitmap)?
            };
            let touched = touched(fs, group);
            for index in 0..fs.sb.inodes_per_group {
                let number = u32::try_from(used.len()).unwrap_or(u32::MAX).saturating_add(1);
                let marked = bit_of(&bitmap, u64::from(index));
                if marked && index >= touched {
                    return Err(corrupt(format!(
                        "inode {number} is in use, but its group says that it never was"
                    )));
                }
                used.push(if index < touched { inode(fs, &mut claims, number, marked)? } else { None });
            }
        }
        let names = vec![0; used.len()];
        Ok(Self { used, names, entered: HashSet::from([ROOT]) })
    }

    /// An inode that a directory names; none if it is not in use.
    pub(super) fn named(&mut self, number: u32) -> Option<Used> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let names = self.names.get_mut(index)?;
        *names = names.saturating_add(1);
        self.used.get(index).copied().flatten()
    }

    /// Whether a directory is met for the first time.
    pub(super) fn enter(&mut self, dir: u32) -> bool {
        self.entered.insert(dir)
    }

    /// Compares the links of every inode with the names that were found. A directory also has a link to itself, and
    /// one from each directory in it.
    pub(super) fn check_links(&self, fs: &Filesystem) -> Result<()> {
        let many = fs.sb.feature_ro_compat & DIR_NLINK != 0;
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

/// The inode if it is in use, which it and its bitmap must agree about.
fn inode(fs: &Filesystem, claims: &mut Claims, number: u32, marked: bool) -> Result<Option<Used>> {
    let what = format!("inode {number}");
    if !marked {
        return check_unused(fs, number).map(|()| None);
    }
    let (inode, raw) = fs.read_inode_verified(number).map_err(|error| convert(error, &what))?;
    check_form(fs, &what, &inode, &raw)?;
    if inode.links_count == 0 && number >= fs.sb.first_inode {
        return Err(corrupt(format!("{what} has no links, but its bitmap calls it used")));
    }
    blockmap::inode(fs, claims, number, &inode)?;
    Ok(Some(Used { format: inode.mode & S_IFMT, links: inode.links_count }))
}

/// Refuses an inode that is of another form than the features of the file system allow.
fn check_form(fs: &Filesystem, what: &str, inode: &Inode, raw: &[u8]) -> Result<()> {
    let may_have_tree = inode.mode & S_IFMT == S_IFDIR && fs.sb.feature_compat & DIR_INDEX != 0;
    let misled = inode.flags & InodeFlags::INDEX.bits() != 0 && !may_have_tree;
    if inode.flags & FLAGS_OF_REFUSED_FEATURES != 0 || misled {
        return Err(corrupt(format!("{what} has the flags {:#x}, which it cannot have", inode.flags)));
    }
    let extra = raw.get(EXTRA_SIZE).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes);
    let room = raw.len().saturating_sub(FIXED_SIZE);
    if room > 0 && extra != 0 && (extra < 4 || !extra.is_multiple_of(4) || usize::from(extra) > room) {
        return Err(corrupt(format!("{what} says that its fields have {extra} bytes more")));
    }
    Ok(())
}

/// Where checksums are kept, what never was an inode does not match them, and means nothing.
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
        return Err(corrupt(format!("inode {number} has links, but its bitmap calls it free")));
    }
    Ok(())
}

/// How many inodes of a group were ever used; those behind them hold anything.
fn touched(fs: &Filesystem, group: &BlockGroupDescriptor) -> u32 {
    let all = fs.sb.inodes_per_group;
    if fs.sb.feature_ro_compat & GROUP_SUMS == 0 {
        return all;
    }
    if group.flags().contains(BgdFlags::INODE_UNINIT) { 0 } else { all.saturating_sub(group.itable_unused) }
}

fn orphan_file(fs: &Filesystem) -> Option<u32> {
    let number = fs.sb.raw.get(ORPHAN_INODE)?.try_into().ok().map(u32::from_le_bytes);
    number.filter(|_| fs.sb.feature_compat & ORPHAN_FILE != 0)
}

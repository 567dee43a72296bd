//! One inode: its form, and that its blocks fit its size and its kind.
//!
//! Refused is what the kernel refuses when it reads an inode (`ext4_iget`), and what e2fsck would change of it, since an
//! edit could make it worse.
//!
//! [Inodes](https://docs.kernel.org/filesystems/ext4/inodes.html).

use super::claims::{Claims, Owner};
use super::extents::{self, Mapped};
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::extent_node::Run;
use crate::fs::ext4::layout::features::{self, DIR_INDEX, EXT_ATTR};
use crate::fs::ext4::layout::inode::{
    BASE, BLOCK_LEN, DIR, EXTENTS, HUGE_FILE, INDEX, Inode, REGULAR, ROOT, SPECIAL, SYMLINK,
};
use crate::fs::ext4::layout::{xattr_block, xattr_entries};
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::{FsError, Result};

/// The inode whose blocks are kept for more descriptors: one block of pointers, which lead to what is the groups'. Without
/// the feature it may still be there.
const RESIZE: u32 = 7;
/// Flags (`i_flags`) that only features which are refused bring: encrypt, verity, ea_inode, inline_data, casefold.
const FLAGS_OF_REFUSED_FEATURES: u32 = 0x800 | 0x10_0000 | 0x20_0000 | 0x1000_0000 | 0x4000_0000;
/// The inode that lists bad blocks, whatever else it says.
const BAD_BLOCKS: u32 = 1;

/// What is done with the blocks of an inode.
pub(super) enum Visit<'a> {
    /// They are noted as the inode's; they must not be another one's.
    Claim(&'a mut Claims),
    /// They are no longer.
    Release(&'a mut Claims),
    /// They are noted, whoever else has them.
    Mark(&'a mut Claims),
}

impl Visit<'_> {
    pub(super) fn blocks(&mut self, owner: Owner, run: Run) -> Result<()> {
        match self {
            Self::Claim(claims) => claims.claim(owner, run),
            Self::Release(claims) => claims.release(owner, run),
            Self::Mark(claims) => claims.mark(owner, run),
        }
    }

    fn attributes(&mut self, owner: Owner, block: u64, users: u32) -> Result<()> {
        match self {
            Self::Claim(claims) => claims.claim_attributes(owner, block, users),
            Self::Release(claims) => claims.release_attributes(owner, block),
            Self::Mark(claims) => claims.mark(owner, Run { start: block, len: 1 }),
        }
    }
}

/// Whether an inode below the first free one is kept for the file system itself; the root directory is not.
pub(super) fn is_reserved(volume: &Volume, number: u32) -> bool {
    number < volume.sb.first_inode && number != ROOT
}

/// Checks an inode that is in use, and claims its blocks.
pub(super) fn check(volume: &Volume, claims: &mut Claims, inode: &Inode) -> Result<()> {
    // What the kernel never reads may be anything; mke2fs leaves zeros.
    if is_reserved(volume, inode.number) && inode.is_zero() {
        return Ok(());
    }
    if !inode.is_sound(volume.checksums) {
        return Err(damaged(inode, "its checksum does not match"));
    }
    check_form(volume, inode)?;
    let mapped = visit(volume, inode, &mut Visit::Claim(claims))?;
    if is_reserved(volume, inode.number) {
        return Ok(());
    }
    check_kind(volume, inode)?;
    check_size(volume, inode, &mapped)?;
    check_sectors(volume, inode, &mapped)
}

/// Visits all blocks that an inode owns.
pub(super) fn visit(volume: &Volume, inode: &Inode, visit: &mut Visit<'_>) -> Result<Mapped> {
    let owner = Owner::Inode(inode.number);
    let attributes = inode.acl_block();
    if attributes != 0 {
        visit.attributes(owner, attributes, users(volume, inode)?)?;
    }
    if inode.number == RESIZE {
        for word in inode.block().as_chunks().0.iter().filter(|word| **word != [0; 4]) {
            visit.blocks(owner, Run { start: u32::from_le_bytes(*word).into(), len: 1 })?;
        }
        return Ok(Mapped::default());
    }
    if inode.number == BAD_BLOCKS || volume.maps_blocks(inode) {
        return extents::walk(volume, inode, visit);
    }
    Ok(Mapped::default())
}

/// The inodes that share a block of attributes, as it says, which was checked with an inode.
pub(super) fn users_of(volume: &Volume, block: u64) -> Result<u32> {
    let reading = |error| convert(error, &format!("block {block} of extended attributes"));
    volume.read_block(block).and_then(|bytes| xattr_block::users(&bytes)).map_err(reading)
}

/// The inodes that share the block of an inode's attributes, as the block says.
fn users(volume: &Volume, inode: &Inode) -> Result<u32> {
    let (number, place) = (inode.number, inode.acl_block());
    let reading = |error| convert(error, &format!("the extended attributes of inode {number}"));
    let block = volume.read_block(place).map_err(reading)?;
    if !xattr_block::is_sound(&volume.csum, place, &block) {
        return Err(corrupt(format!(
            "block {place} with extended attributes of inode {number} does not match its checksum"
        )));
    }
    if !xattr_block::has_sound_entries(&block) {
        return Err(corrupt(format!(
            "block {place} with extended attributes of inode {number} contradicts itself"
        )));
    }
    xattr_block::users(&block).map_err(reading)
}

/// Refuses an inode that is of another form than the features of the file system allow.
fn check_form(volume: &Volume, inode: &Inode) -> Result<()> {
    let may_have_tree =
        inode.format() == DIR && (volume.features.has_compat(DIR_INDEX) || !volume.csum.enabled);
    if inode.flags() & FLAGS_OF_REFUSED_FEATURES != 0 || (inode.has(INDEX) && !may_have_tree) {
        return Err(damaged(inode, &format!("it has the flags {:#x}, which it cannot have", inode.flags())));
    }
    if inode.acl_block() != 0 && !volume.features.has_compat(EXT_ATTR) {
        return Err(damaged(inode, "it has extended attributes, but the file system has not (ext_attr)"));
    }
    let room = usize::from(volume.sb.inode_size).saturating_sub(BASE);
    let Some(extra) = inode.extra_size() else { return Ok(()) };
    if extra != 0 && (extra < 4 || !extra.is_multiple_of(4) || usize::from(extra) > room) {
        return Err(damaged(inode, &format!("it has an impossible i_extra_isize of {extra}")));
    }
    let list = if extra == 0 { None } else { xattr_block::list_in_inode(inode.behind_fields()) };
    if list.is_some_and(|list| !xattr_entries::are_sound(list, 0, 0)) {
        return Err(damaged(inode, "its extended attributes contradict themselves"));
    }
    Ok(())
}

fn check_kind(volume: &Volume, inode: &Inode) -> Result<()> {
    let flags = |flags| inode.flags() & flags != 0;
    match inode.format() {
        REGULAR | DIR => Ok(()),
        SYMLINK if volume.is_short_link(inode) && flags(EXTENTS) => {
            Err(damaged(inode, "it is a short symbolic link with extents"))
        }
        SYMLINK => check_target(volume, inode),
        format if SPECIAL.contains(&format) && flags(EXTENTS | INDEX) => {
            Err(damaged(inode, "it is a device, socket or FIFO with extents"))
        }
        format if SPECIAL.contains(&format) => Ok(()),
        _ => Err(damaged(inode, &format!("there is no kind of file with the mode {:#o}", inode.mode()))),
    }
}

/// The target of a link has the length that the inode says, and no NUL.
fn check_target(volume: &Volume, inode: &Inode) -> Result<()> {
    let wrong = || {
        damaged(
            inode,
            &format!("it is a symbolic link with a target that does not have {} bytes", inode.size()),
        )
    };
    let len = usize::try_from(inode.size()).map_err(|_| wrong())?;
    let reading = |error| convert(error, &format!("the target of the link in inode {}", inode.number));
    let bytes = if volume.is_short_link(inode) {
        inode.block().get(..BLOCK_LEN).map(<[u8]>::to_vec)
    } else {
        let place = volume.map(inode, 0).map_err(reading)?;
        place.map(|place| volume.read_block(place)).transpose().map_err(reading)?
    };
    let bytes = bytes.ok_or_else(wrong)?;
    let found = bytes.iter().position(|byte| *byte == 0);
    if len == 0 || found != Some(len) { Err(wrong()) } else { Ok(()) }
}

/// The size of an inode against the blocks that it maps.
fn check_size(volume: &Volume, inode: &Inode, mapped: &Mapped) -> Result<()> {
    let block = u64::from(volume.sb.block_size());
    let (size, number) = (inode.size(), inode.number);
    let wrong = |what: &str| Err(corrupt(format!("inode {number}: it has {size} bytes, {what}")));
    // Extents number blocks with 32 bits.
    if size > block << u32::BITS {
        return wrong("more than there can be");
    }
    match inode.format() {
        DIR => {
            if size == 0 || !size.is_multiple_of(block) {
                return wrong("but a directory is made of whole blocks");
            }
            let ahead =
                u64::from(volume.dir_blocks_ahead().map_err(|error| convert(error, "the superblock"))?);
            let blocks = size / block;
            if mapped.written_end != mapped.end || mapped.blocks != mapped.end {
                return wrong("and is a directory with holes or blocks that were never written");
            }
            if mapped.end < blocks || mapped.end - blocks > ahead {
                return wrong(&format!("but {} blocks", mapped.end));
            }
        }
        // As e2fsck, which lets one block more pass.
        REGULAR if mapped.written_end > 0 && size < (mapped.written_end - 1).saturating_mul(block) => {
            return wrong("but blocks behind them");
        }
        SYMLINK if mapped.owned > 0 && (mapped.blocks != 1 || mapped.written_end != 1) => {
            return wrong("and is a symbolic link with more than one block");
        }
        _ => {}
    }
    Ok(())
}

/// Sectors that the inode counts against those that it owns.
fn check_sectors(volume: &Volume, inode: &Inode, mapped: &Mapped) -> Result<()> {
    let owned = mapped.owned.saturating_add(u64::from(inode.acl_block() != 0));
    let in_blocks = inode.has(HUGE_FILE) && volume.features.has_ro_compat(features::HUGE_FILE);
    let per_block = if in_blocks { 1 } else { u64::from(volume.sb.block_size() / 512) };
    let (said, found) = (inode.sectors(), owned.saturating_mul(per_block));
    if said == found {
        return Ok(());
    }
    Err(damaged(inode, &format!("it counts {said} sectors in i_blocks, but has {found}")))
}

fn damaged(inode: &Inode, what: &str) -> FsError {
    corrupt(format!("inode {}: {what}", inode.number))
}

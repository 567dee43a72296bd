//! Pre-flight: all checks of an opened file system, before the first write.
//!
//! The crate compares the checksums of what it reads, but not those of the bitmaps that it allocates from. Nothing of this
//! is its work: what is asked here is what `Volume` sees.

use super::claims::{Claims, Owner};
use super::inodes::Inodes;
use super::superblock::Purpose;
use super::{directories, groups, inode, inodes, journal, orphan_file};
use crate::fs::Result;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::volume::blocks::Volume;

/// What is known of a file system that is sound, to check it again when it has changed.
pub(crate) struct Sound {
    pub(super) claims: Claims,
}

/// Checks a file system whose superblock was checked. For reading only its journal must be sound and empty.
pub(crate) fn check(volume: &Volume, purpose: Purpose) -> Result<Option<Sound>> {
    journal::check(volume)?;
    if purpose != Purpose::Write {
        return Ok(None);
    }
    let mut claims = Claims::new(volume);
    for number in 0..volume.group_count() {
        let group = groups::group(volume, number)?;
        groups::check_bitmaps(volume, &group)?;
        groups::claim(volume, &mut claims, &group)?;
    }
    orphan_file::check(volume)?;
    let mut inodes = Inodes::read(volume, &mut claims)?;
    claims.check_shared()?;
    for number in claims.groups() {
        none_is_free(volume, &claims, number)?;
    }
    directories::check(volume, &mut inodes)?;
    Ok(Some(Sound { claims }))
}

/// Refuses a group with a block that has an owner, but is free in its bitmap.
pub(super) fn none_is_free(volume: &Volume, claims: &Claims, number: u32) -> Result<()> {
    let group = groups::group(volume, number)?;
    let bitmap = volume.block_bitmap(&group);
    let bitmap = bitmap.map_err(|error| convert(error, &format!("the block bitmap of group {number}")))?;
    let Some(block) = claims.first_free(number, &bitmap) else { return Ok(()) };
    let owner = owner(volume, block)?.map_or_else(|| "an inode".to_owned(), |owner| owner.to_string());
    Err(corrupt(format!("block {block} belongs to {owner}, but is free in its bitmap")))
}

/// The owner of a block: looked for only where it is to be named.
fn owner(volume: &Volume, block: u64) -> Result<Option<Owner>> {
    let mut claims = Claims::looking_for(volume, block);
    for number in 0..volume.group_count() {
        groups::claim(volume, &mut claims, &groups::group(volume, number)?)?;
    }
    inodes::for_each(volume, |found| {
        inode::visit(volume, found, &mut inode::Visit::Claim(&mut claims)).map(drop)
    })?;
    Ok(claims.owner())
}

//! The block groups: where their tables lie, their checksums, their bitmaps, and their counts of what is free.
//!
//! A flipped bit in a bitmap lets live data be overwritten later. A group whose count does not fit its bitmap is one that
//! the kernel takes for damaged. Counts of the whole file system are not looked at: the kernel takes the sum of the groups'.
//!
//! [Group descriptors](https://docs.kernel.org/filesystems/ext4/group_descr.html),
//! [bitmaps](https://docs.kernel.org/filesystems/ext4/bitmaps.html).

use super::claims::{Claims, Owner};
use crate::fs::Result;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::extent_node::Run;
use crate::fs::ext4::volume::blocks::Volume;
use crate::fs::ext4::volume::groups::Group;

/// A group by its number; an error where its descriptor does not match its checksum.
pub(super) fn group(volume: &Volume, number: u32) -> Result<Group> {
    let group =
        volume.group(number).map_err(|error| convert(error, &format!("the descriptor of group {number}")))?;
    if !group.is_sound(volume.checksums) {
        return Err(corrupt(format!("the group descriptor of group {number} does not match its checksum")));
    }
    Ok(group)
}

/// Compares the bitmaps of all groups with their checksums, which is what matters to whoever copies only what is used.
pub(crate) fn check_sums(volume: &Volume) -> Result<()> {
    (0..volume.group_count()).try_for_each(|number| check_group_sums(volume, &group(volume, number)?))
}

/// Checks the bitmaps of a group, and that its counts are theirs.
pub(super) fn check_bitmaps(volume: &Volume, group: &Group) -> Result<()> {
    check_group_sums(volume, group)?;
    let number = group.number;
    let reading = |error| convert(error, &format!("the bitmaps of group {number}"));
    let blocks = volume.block_bitmap(group).map_err(reading)?.count_free(volume.group_len(number));
    let inodes = volume.inode_bitmap(group).map_err(reading)?.count_free(volume.sb.inodes_per_group);
    let counts =
        [("blocks", group.descriptor.free_blocks, blocks), ("inodes", group.descriptor.free_inodes, inodes)];
    for (what, said, found) in counts {
        if said != found {
            return Err(corrupt(format!(
                "group {number} says that {said} of its {what} are free, by its bitmap {found} are"
            )));
        }
    }
    Ok(())
}

/// A bitmap that was never written is marked by a flag of its group, and its block holds nothing.
fn check_group_sums(volume: &Volume, group: &Group) -> Result<()> {
    let found =
        [("block", volume.block_bitmap_is_sound(group)), ("inode", volume.inode_bitmap_is_sound(group))];
    for (what, sound) in found {
        let number = group.number;
        if !sound.map_err(|error| convert(error, &format!("the {what} bitmap of group {number}")))? {
            return Err(corrupt(format!("the {what} bitmap of group {number} does not match its checksum")));
        }
    }
    Ok(())
}

/// Claims the superblock, the descriptors and the room for more of them, the bitmaps and the inode table of a group.
pub(super) fn claim(volume: &Volume, claims: &mut Claims, group: &Group) -> Result<()> {
    let number = group.number;
    let descriptor = &group.descriptor;
    let runs = [
        (volume.group_start(number), volume.head_blocks(number)),
        (descriptor.block_bitmap, 1),
        (descriptor.inode_bitmap, 1),
        (descriptor.inode_table, volume.table_blocks()),
    ];
    runs.into_iter().try_for_each(|(start, len)| claims.claim(Owner::Group(number), Run { start, len }))
}

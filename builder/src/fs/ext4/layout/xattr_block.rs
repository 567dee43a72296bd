//! A block of extended attributes, which inodes with the same attributes may share.
//!
//! [Extended attributes](https://docs.kernel.org/filesystems/ext4/attributes.html). The crate reads and writes the
//! entries; here are the header and what it says.

use fs_ext4::checksum::Checksummer;
use fs_ext4::error::{Error, Result};

use super::bytes::Field;
use super::xattr_entries;

const HEADER: usize = 32;
const MAGIC: u32 = 0xea02_0000;
const MAGIC_FIELD: Field<HEADER, 4> = Field::at(0);
const USERS: Field<HEADER, 4> = Field::at(4);
/// Blocks that the attributes have; the kernel makes no more than one.
const BLOCKS: Field<HEADER, 4> = Field::at(8);

/// Whether a block is one of extended attributes, alone, and has the checksum that it should have.
pub(crate) fn is_sound(csum: &Checksummer, place: u64, block: &[u8]) -> bool {
    block.first_chunk().is_some_and(|header| {
        MAGIC_FIELD.get(header) == MAGIC && BLOCKS.get(header) == 1 && csum.verify_xattr_block(place, block)
    })
}

/// Whether the block has users and its list of attributes is sound.
pub(crate) fn has_sound_entries(block: &[u8]) -> bool {
    users(block).is_ok_and(|users| users > 0) && xattr_entries::are_sound(block, HEADER, 0)
}

/// The list of attributes in the room behind the fields of an inode, if there is one.
pub(crate) fn list_in_inode(room: &[u8]) -> Option<&[u8]> {
    let (magic, list) = room.split_first_chunk()?;
    (u32::from_le_bytes(*magic) == MAGIC).then_some(list)
}

/// Inodes that share the block.
pub(crate) fn users(block: &[u8]) -> Result<u32> {
    Ok(USERS.get(block.first_chunk().ok_or(SHORT)?))
}

/// Changes the number of inodes that share the block, with its checksum.
pub(crate) fn set_users(csum: &Checksummer, place: u64, block: &mut [u8], users: u32) -> Result<()> {
    USERS.put(block.first_chunk_mut().ok_or(SHORT)?, users);
    csum.patch_xattr_block(place, block);
    Ok(())
}

const SHORT: Error = Error::Corrupt("a block of extended attributes without a header");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_without_a_header_is_an_error() {
        let csum = Checksummer { seed: 0, enabled: false };
        assert!(users(&[0; 31]).is_err());
        assert!(set_users(&csum, 1, &mut [0; 31], 1).is_err());
        assert!(!is_sound(&csum, 1, &[0; 31]) && !is_sound(&csum, 1, &[0; 1024]));
    }
}

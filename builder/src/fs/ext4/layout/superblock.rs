//! The superblock: 1024 bytes at byte 1024 of the file system.
//!
//! [Superblock](https://docs.kernel.org/filesystems/ext4/super.html). High halves of numbers are read and written
//! only with the feature 64bit.

use super::bytes::{Field, halves64, joined64};
use super::checksum::crc32c;
use super::features::{BIT64, Features, METADATA_CSUM};

/// Bytes of a superblock.
pub(crate) const SIZE: usize = 1024;
/// Place of the first superblock in the file system, in bytes.
pub(crate) const PLACE: u64 = 1024;

type U16 = Field<SIZE, 2>;
type U32 = Field<SIZE, 4>;
/// The low and the high half of a number of 64 bits.
type Wide = (U32, U32);

const INODES: U32 = Field::at(0x00);
const BLOCKS: Wide = (Field::at(0x04), Field::at(0x150));
const RESERVED_BLOCKS: Wide = (Field::at(0x08), Field::at(0x154));
const FREE_BLOCKS: Wide = (Field::at(0x0c), Field::at(0x158));
const FREE_INODES: U32 = Field::at(0x10);
const FIRST_DATA_BLOCK: U32 = Field::at(0x14);
const BLOCK_SIZE_LOG: U32 = Field::at(0x18);
const CLUSTER_SIZE_LOG: U32 = Field::at(0x1c);
const BLOCKS_PER_GROUP: U32 = Field::at(0x20);
const CLUSTERS_PER_GROUP: U32 = Field::at(0x24);
const INODES_PER_GROUP: U32 = Field::at(0x28);
const MAGIC: U16 = Field::at(0x38);
const STATE: U16 = Field::at(0x3a);
const CREATOR: U32 = Field::at(0x48);
const REVISION: U32 = Field::at(0x4c);
const FIRST_INODE: U32 = Field::at(0x54);
const INODE_SIZE: U16 = Field::at(0x58);
const GROUP: U16 = Field::at(0x5a);
const COMPAT: U32 = Field::at(0x5c);
const INCOMPAT: U32 = Field::at(0x60);
const RO_COMPAT: U32 = Field::at(0x64);
const UUID: Field<SIZE, 16> = Field::at(0x68);
const DIRECTORY_BLOCKS_AHEAD: Field<SIZE, 1> = Field::at(0xcd);
const RESERVED_DESCRIPTOR_BLOCKS: U16 = Field::at(0xce);
const JOURNAL_UUID: Field<SIZE, 16> = Field::at(0xd0);
const JOURNAL_INODE: U32 = Field::at(0xe0);
const JOURNAL_DEVICE: U32 = Field::at(0xe4);
const LAST_ORPHAN: U32 = Field::at(0xe8);
const HASH_VERSION: Field<SIZE, 1> = Field::at(0xfc);
const DESCRIPTOR_SIZE: U16 = Field::at(0xfe);
const EXTRA_SIZES: [U16; 2] = [Field::at(0x15c), Field::at(0x15e)];
const GROUPS_PER_FLEX_LOG: Field<SIZE, 1> = Field::at(0x174);
const CHECKSUM_TYPE: Field<SIZE, 1> = Field::at(0x175);
const OVERHEAD: U32 = Field::at(0x248);
const CHECKSUM_SEED: U32 = Field::at(0x270);
const ORPHAN_FILE: U32 = Field::at(0x280);
const CHECKSUM: U32 = Field::at(COVERED);
/// Bytes that the checksum covers: all before it.
const COVERED: usize = 0x3fc;

/// `s_state`: cleanly unmounted.
pub(crate) const CLEAN: u16 = 1;
/// `s_state`: the kernel found errors.
pub(crate) const HAS_ERRORS: u16 = 2;

/// The bytes of a superblock. Nothing about them is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawSuperblock(pub(crate) [u8; SIZE]);

impl RawSuperblock {
    pub(crate) fn magic(&self) -> u16 {
        MAGIC.get(&self.0)
    }

    pub(crate) fn revision(&self) -> u32 {
        REVISION.get(&self.0)
    }

    pub(crate) fn features(&self) -> Features {
        Features {
            compat: COMPAT.get(&self.0),
            incompat: INCOMPAT.get(&self.0),
            ro_compat: RO_COMPAT.get(&self.0),
        }
    }

    /// Clears bits of `s_feature_ro_compat`.
    pub(crate) fn clear_ro_compat(&mut self, bits: u32) {
        let left = self.features().ro_compat & !bits;
        RO_COMPAT.put(&mut self.0, left);
    }

    pub(crate) fn uuid(&self) -> [u8; 16] {
        UUID.bytes(&self.0)
    }

    pub(crate) fn state(&self) -> u16 {
        STATE.get(&self.0)
    }

    pub(crate) fn set_state(&mut self, state: u16) {
        STATE.put(&mut self.0, state);
    }

    pub(crate) fn last_orphan(&self) -> u32 {
        LAST_ORPHAN.get(&self.0)
    }

    /// The inode of the orphan file.
    pub(crate) fn orphan_file(&self) -> u32 {
        ORPHAN_FILE.get(&self.0)
    }

    /// `s_log_block_size`: 0 for blocks of 1 KiB.
    pub(crate) fn block_size_log(&self) -> u32 {
        BLOCK_SIZE_LOG.get(&self.0)
    }

    /// `s_log_cluster_size`: the same as for blocks, except with bigalloc.
    pub(crate) fn cluster_size_log(&self) -> u32 {
        CLUSTER_SIZE_LOG.get(&self.0)
    }

    /// `s_clusters_per_group`, likewise.
    pub(crate) fn clusters_per_group(&self) -> u32 {
        CLUSTERS_PER_GROUP.get(&self.0)
    }

    /// The lowest inode that is not reserved; file systems of revision 0 do not say it.
    pub(crate) fn first_inode(&self) -> u32 {
        FIRST_INODE.get(&self.0)
    }

    /// Blocks that a directory may have behind its end (`s_prealloc_dir_blocks`).
    pub(crate) fn directory_blocks_ahead(&self) -> u8 {
        DIRECTORY_BLOCKS_AHEAD.get(&self.0)
    }

    /// The inode of the journal; 0 if it is elsewhere.
    pub(crate) fn journal_inode(&self) -> u32 {
        JOURNAL_INODE.get(&self.0)
    }

    /// Whether the superblock names a device with the journal.
    pub(crate) fn has_external_journal(&self) -> bool {
        JOURNAL_DEVICE.get(&self.0) != 0
            || (self.journal_inode() == 0 && JOURNAL_UUID.bytes(&self.0) != [0; 16])
    }

    /// The operating system that made the file system: 0 is Linux.
    pub(crate) fn creator(&self) -> u32 {
        CREATOR.get(&self.0)
    }

    /// The hash of new hash trees (`s_def_hash_version`).
    pub(crate) fn hash_version(&self) -> u8 {
        HASH_VERSION.get(&self.0)
    }

    /// Bytes of fields that inodes have behind their first 128, at least and by default.
    pub(crate) fn extra_sizes(&self) -> [u16; 2] {
        EXTRA_SIZES.map(|place| place.get(&self.0))
    }

    /// `s_log_groups_per_flex`.
    pub(crate) fn groups_per_flex_log(&self) -> u8 {
        GROUPS_PER_FLEX_LOG.get(&self.0)
    }

    pub(crate) fn first_data_block(&self) -> u32 {
        FIRST_DATA_BLOCK.get(&self.0)
    }

    pub(crate) fn blocks_per_group(&self) -> u32 {
        BLOCKS_PER_GROUP.get(&self.0)
    }

    pub(crate) fn inodes_per_group(&self) -> u32 {
        INODES_PER_GROUP.get(&self.0)
    }

    pub(crate) fn inode_size(&self) -> u16 {
        INODE_SIZE.get(&self.0)
    }

    /// `s_desc_size`: means something only with the feature 64bit.
    pub(crate) fn descriptor_size(&self) -> u16 {
        DESCRIPTOR_SIZE.get(&self.0)
    }

    /// Descriptor blocks that are reserved for growth.
    pub(crate) fn reserved_descriptor_blocks(&self) -> u16 {
        RESERVED_DESCRIPTOR_BLOCKS.get(&self.0)
    }

    pub(crate) fn set_reserved_descriptor_blocks(&mut self, blocks: u16) {
        RESERVED_DESCRIPTOR_BLOCKS.put(&mut self.0, blocks);
    }

    pub(crate) fn blocks(&self) -> u64 {
        self.wide(BLOCKS)
    }

    pub(crate) fn set_blocks(&mut self, blocks: u64) {
        self.set_wide(BLOCKS, blocks);
    }

    /// Blocks that only root may use.
    pub(crate) fn root_blocks(&self) -> u64 {
        self.wide(RESERVED_BLOCKS)
    }

    pub(crate) fn set_root_blocks(&mut self, blocks: u64) {
        self.set_wide(RESERVED_BLOCKS, blocks);
    }

    pub(crate) fn free_blocks(&self) -> u64 {
        self.wide(FREE_BLOCKS)
    }

    pub(crate) fn set_free_blocks(&mut self, blocks: u64) {
        self.set_wide(FREE_BLOCKS, blocks);
    }

    pub(crate) fn inodes(&self) -> u32 {
        INODES.get(&self.0)
    }

    pub(crate) fn set_inodes(&mut self, inodes: u32) {
        INODES.put(&mut self.0, inodes);
    }

    pub(crate) fn free_inodes(&self) -> u32 {
        FREE_INODES.get(&self.0)
    }

    pub(crate) fn set_free_inodes(&mut self, inodes: u32) {
        FREE_INODES.put(&mut self.0, inodes);
    }

    /// Blocks that can hold no data, as mke2fs counted; 0 where it did not.
    pub(crate) fn overhead(&self) -> u32 {
        OVERHEAD.get(&self.0)
    }

    pub(crate) fn set_overhead(&mut self, blocks: u32) {
        OVERHEAD.put(&mut self.0, blocks);
    }

    /// Says which group holds this copy.
    pub(crate) fn set_group(&mut self, group: u16) {
        GROUP.put(&mut self.0, group);
    }

    /// `s_checksum_type`: 1 is CRC-32C.
    pub(crate) fn checksum_type(&self) -> u8 {
        CHECKSUM_TYPE.get(&self.0)
    }

    /// `s_checksum_seed`: means something only with the feature metadata_csum_seed.
    pub(crate) fn checksum_seed(&self) -> u32 {
        CHECKSUM_SEED.get(&self.0)
    }

    /// Whether the checksum is the one that it should be.
    pub(crate) fn is_sound(&self) -> bool {
        self.sum() == CHECKSUM.get(&self.0)
    }

    /// Writes the checksum, where the file system keeps one.
    pub(crate) fn seal(&mut self) {
        if self.features().has_ro_compat(METADATA_CSUM) {
            let sum = self.sum();
            CHECKSUM.put(&mut self.0, sum);
        }
    }

    fn sum(&self) -> u32 {
        let (covered, _) = self.0.split_at(COVERED);
        crc32c(!0, covered)
    }

    fn wide(&self, place: Wide) -> u64 {
        let high = if self.features().has_incompat(BIT64) { place.1.get(&self.0) } else { 0 };
        joined64(place.0.get(&self.0), high)
    }

    fn set_wide(&mut self, place: Wide, value: u64) {
        let (low, high) = halves64(value);
        place.0.put(&mut self.0, low);
        if self.features().has_incompat(BIT64) {
            place.1.put(&mut self.0, high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn high_halves_count_only_with_64bit() {
        let mut sb = RawSuperblock([0xff; SIZE]);
        INCOMPAT.put(&mut sb.0, 0);
        sb.set_free_blocks(5);
        assert_eq!((sb.free_blocks(), FREE_BLOCKS.1.get(&sb.0)), (5, u32::MAX));
        INCOMPAT.put(&mut sb.0, BIT64);
        sb.set_blocks(0x1_0000_0002);
        assert_eq!(sb.blocks(), 0x1_0000_0002);
    }

    #[test]
    fn a_sealed_superblock_is_sound_until_it_changes() {
        let mut sb = RawSuperblock([0; SIZE]);
        RO_COMPAT.put(&mut sb.0, METADATA_CSUM);
        sb.seal();
        assert!(sb.is_sound());
        sb.set_free_inodes(1);
        assert!(!sb.is_sound());
    }
}

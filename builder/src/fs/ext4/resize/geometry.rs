//! Where the groups of a file system lie and what each begins with, see
//! <https://docs.kernel.org/filesystems/ext4/overview.html#layout> and
//! <https://docs.kernel.org/filesystems/ext4/blockgroup.html>.

/// mke2fs and resize2fs leave out a last group that has fewer blocks than this for data. So does growth here, so that
/// all three find the same size.
const MIN_DATA_BLOCKS: u32 = 50;

/// The constants of a file system: growth changes none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Bytes in a block: 1024, 2048 or 4096.
    pub block_size: u32,
    /// The block that holds the superblock, where group 0 begins: 1 for blocks of 1 KiB, else 0.
    pub first_data_block: u32,
    /// Blocks in every group but the last.
    pub blocks_per_group: u32,
    /// Inodes in every group.
    pub inodes_per_group: u32,
    /// Bytes in an inode.
    pub inode_size: u32,
    /// Bytes in a group descriptor: 32, or 64 and more with the feature 64bit.
    pub descriptor_size: u32,
    /// Whether only some groups hold copies of superblock and descriptors (`sparse_super`).
    pub sparse: bool,
    /// Blocks behind each superblock for descriptors, those in use and those reserved together. Growth moves
    /// the border between the two, never the sum.
    pub descriptor_area: u32,
}

impl Geometry {
    /// Descriptors in a block.
    pub(crate) fn descriptors_per_block(&self) -> u32 {
        self.block_size / self.descriptor_size
    }

    /// Block numbers in an indirect block.
    pub(crate) fn numbers_per_block(&self) -> u32 {
        self.block_size / 4
    }

    /// Blocks of an inode table.
    pub(crate) fn table_blocks(&self) -> u32 {
        let bytes = u64::from(self.inodes_per_group) * u64::from(self.inode_size);
        u32::try_from(bytes.div_ceil(u64::from(self.block_size))).unwrap_or(u32::MAX)
    }

    /// Groups of a file system of so many blocks.
    pub(crate) fn groups(&self, blocks: u64) -> u32 {
        let inside = blocks.saturating_sub(u64::from(self.first_data_block));
        u32::try_from(inside.div_ceil(u64::from(self.blocks_per_group))).unwrap_or(u32::MAX)
    }

    /// Place of a block in the file system, in bytes.
    pub(crate) fn byte(&self, block: u64) -> u64 {
        block.saturating_mul(u64::from(self.block_size))
    }

    /// First block of a group.
    pub(crate) fn start(&self, group: u32) -> u64 {
        u64::from(self.first_data_block) + u64::from(group) * u64::from(self.blocks_per_group)
    }

    /// Blocks of a group in a file system of so many blocks.
    pub(crate) fn len(&self, group: u32, blocks: u64) -> u32 {
        let left = blocks.saturating_sub(self.start(group));
        u32::try_from(left).map_or(self.blocks_per_group, |left| left.min(self.blocks_per_group))
    }

    /// Whether a group begins with a superblock and descriptors.
    pub(crate) fn has_copy(&self, group: u32) -> bool {
        !self.sparse || group <= 1 || [3, 5, 7].into_iter().any(|base| is_power(group, base))
    }

    /// The groups behind the first one that hold copies, in a file system of so many groups, rising.
    pub(crate) fn copies(&self, groups: u32) -> impl Iterator<Item = u32> + '_ {
        (1..groups).filter(|&group| self.has_copy(group))
    }

    /// Blocks at the beginning of a group that hold superblock, descriptors and reserved descriptor blocks.
    pub(crate) fn head(&self, group: u32) -> u32 {
        if self.has_copy(group) { self.descriptor_area.saturating_add(1) } else { 0 }
    }

    /// Blocks of a new group that hold no data: head, two bitmaps, inode table.
    pub(crate) fn overhead(&self, group: u32) -> u32 {
        self.head(group).saturating_add(2).saturating_add(self.table_blocks())
    }

    /// Blocks needed for the descriptors of so many groups.
    pub(crate) fn descriptor_blocks(&self, groups: u32) -> u32 {
        groups.div_ceil(self.descriptors_per_block())
    }

    /// The smallest size of a last group that did not exist before.
    pub(crate) fn smallest_new_group(&self, group: u32) -> u32 {
        self.overhead(group).saturating_add(MIN_DATA_BLOCKS).min(self.blocks_per_group)
    }

    /// The blocks that a file system of `old` blocks can use of `wanted`: a new last group too small to be
    /// worth its overhead is left out.
    pub(crate) fn usable(&self, wanted: u64, old: u64) -> u64 {
        let groups = self.groups(wanted);
        let Some(last) = groups.checked_sub(1).filter(|_| groups > self.groups(old)) else {
            return wanted;
        };
        if self.len(last, wanted) < self.smallest_new_group(last) { self.start(last) } else { wanted }
    }
}

fn is_power(mut number: u32, base: u32) -> bool {
    while number > 1 && number.is_multiple_of(base) {
        number /= base;
    }
    number == 1
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What mke2fs lays out by default with blocks of 1 KiB.
    pub(in super::super) fn one_kib() -> Geometry {
        Geometry {
            block_size: 1024,
            first_data_block: 1,
            blocks_per_group: 8192,
            inodes_per_group: 2048,
            inode_size: 256,
            descriptor_size: 64,
            sparse: true,
            descriptor_area: 257,
        }
    }

    #[test]
    fn copies_lie_where_the_documentation_says() {
        let geometry = one_kib();
        let found: Vec<u32> = geometry.copies(400).collect();
        assert_eq!(found, [1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343]);
        assert!(geometry.has_copy(0) && !geometry.has_copy(15));
        assert!(Geometry { sparse: false, ..geometry }.has_copy(15));
    }

    #[test]
    fn groups_count_from_the_first_data_block() {
        let geometry = one_kib();
        assert_eq!(geometry.groups(8193), 1);
        assert_eq!(geometry.groups(8194), 2);
        assert_eq!(geometry.len(1, 8194), 1);
        assert_eq!(geometry.len(0, 8194), 8192);
        assert_eq!(geometry.start(2), 16385);
    }

    #[test]
    fn a_last_group_must_be_worth_it() {
        let geometry = one_kib();
        let smallest = 1 + 257 + 2 + 512 + 50;
        assert_eq!(geometry.usable(8193 + smallest, 8193), 8193 + smallest);
        assert_eq!(geometry.usable(8193 + smallest - 1, 8193), 8193);
        assert_eq!(geometry.usable(8193 + 100, 8193 + 90), 8193 + 100, "it exists already");
    }
}

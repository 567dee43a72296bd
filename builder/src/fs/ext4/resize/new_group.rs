//! A group behind the old file system, with its bitmaps and its inode table at its own beginning, see
//! <https://docs.kernel.org/filesystems/ext4/blockgroup.html>.
//!
//! ```text
//! [superblock, descriptors, reserve: only where the geometry asks for a copy] block bitmap, inode bitmap,
//! inode table, data
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use super::descriptor_table::Table;
use super::geometry::Geometry;
use super::write::{Content, Write};
use crate::fs::Result;
use crate::fs::ext4::layout::bitmap::Bitmap;
use crate::fs::ext4::layout::group_descriptor::{Descriptor, INODE_UNINIT, INODE_ZEROED};

/// A bitmap with its checksum as descriptors hold it.
#[derive(Debug, Clone)]
struct Sealed {
    bytes: Arc<[u8]>,
    sum: u32,
}

/// Makes groups. Most of them look alike, so each bitmap is made only once.
#[derive(Debug)]
pub(crate) struct GroupBuilder<'a> {
    geometry: &'a Geometry,
    /// Size of the grown file system.
    blocks: u64,
    inode_bitmap: Sealed,
    /// By length of the group and blocks used in it.
    block_bitmaps: BTreeMap<(u32, u32), Sealed>,
    /// Whether the inodes may be marked as never used; without checksums nothing may.
    uninitialised: bool,
}

impl<'a> GroupBuilder<'a> {
    pub(crate) fn new(geometry: &'a Geometry, blocks: u64, table: &Table, uninitialised: bool) -> Self {
        let free = Bitmap::free(geometry.block_size as usize, geometry.inodes_per_group);
        let inode_bitmap = seal(&free, geometry.inodes_per_group, table);
        Self { geometry, blocks, inode_bitmap, block_bitmaps: BTreeMap::new(), uninitialised }
    }

    /// Describes the group in `table`, and returns what is written into it.
    pub(crate) fn make(&mut self, group: u32, table: &mut Table) -> Result<[Write; 3]> {
        let geometry = self.geometry;
        let (len, overhead) = (geometry.len(group, self.blocks), geometry.overhead(group));
        let block_bitmap = self.block_bitmap(len, overhead, table);
        let first = geometry.start(group) + u64::from(geometry.head(group));
        table.set(
            group,
            Descriptor {
                block_bitmap: first,
                inode_bitmap: first + 1,
                inode_table: first + 2,
                free_blocks: len.saturating_sub(overhead),
                free_inodes: geometry.inodes_per_group,
                dirs: 0,
                flags: if self.uninitialised { INODE_UNINIT | INODE_ZEROED } else { 0 },
                unused_inodes: if self.uninitialised { geometry.inodes_per_group } else { 0 },
                block_bitmap_sum: block_bitmap.sum,
                inode_bitmap_sum: self.inode_bitmap.sum,
            },
        )?;
        let zeros = u64::from(geometry.table_blocks()) * u64::from(geometry.block_size);
        Ok([
            Write { at: geometry.byte(first), content: Content::Bytes(block_bitmap.bytes) },
            Write { at: geometry.byte(first + 1), content: Content::Bytes(self.inode_bitmap.bytes.clone()) },
            Write { at: geometry.byte(first + 2), content: Content::Zeros(zeros) },
        ])
    }

    fn block_bitmap(&mut self, len: u32, used: u32, table: &Table) -> Sealed {
        let geometry = self.geometry;
        let make = || {
            let mut bitmap = Bitmap::free(geometry.block_size as usize, len);
            bitmap.fill(0..used, true);
            seal(&bitmap, geometry.blocks_per_group, table)
        };
        self.block_bitmaps.entry((len, used)).or_insert_with(make).clone()
    }
}

fn seal(bitmap: &Bitmap, bits_per_group: u32, table: &Table) -> Sealed {
    Sealed { bytes: bitmap.bytes().into(), sum: table.bitmap_sum(bitmap.covered(bits_per_group)) }
}

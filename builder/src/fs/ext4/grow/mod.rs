//! Grows an ext4 file system inside its window, offline, from the on-disk format alone.
//!
//! ```text
//! window ─ read ─> Old ─ plan (pure) ─> Plan: list of writes ─ apply ─> window
//! ```
//!
//! What is kept of the old file system is never moved: growth adds groups behind the last one and lengthens
//! the last one, as the kernel's own online growth does. A new group holds its bitmaps and its inode table
//! itself, at its beginning. With `flex_bg` other places would be allowed, and mke2fs packs the tables of
//! sixteen groups together; but a group that is complete in itself is valid with and without the feature,
//! needs no room in any other group, and is taken as it is by e2fsck, by the kernel and by resize2fs.
//!
//! Limits: block sizes of 1, 2 and 4 KiB, fewer than 2^32 blocks, and no more descriptor blocks than are in use
//! and reserved; `bigalloc`, `meta_bg`, `sparse_super2` and `mmp` are refused by name, like all that is unknown.
//!
//! One module for each structure on the disk; the format is described at
//! <https://docs.kernel.org/filesystems/ext4/>.

use super::bytes;

mod apply;
mod bitmap;
mod checksum;
mod descriptor;
mod features;
mod growth_plan;
mod layout;
mod new_group;
mod plan;
mod read;
mod resize_inode;
mod superblock;

#[cfg(test)]
mod tests;

pub use apply::{Grown, grow, limit, size_for};

//! Grows an ext4 file system inside its window, offline, from the on-disk format alone.
//!
//! ```text
//! window ─ read ─> Old ─ plan (pure) ─> Plan: list of writes ─ grow ─> window
//! ```
//!
//! In: the window of a grown partition, and a size. Out: the grown file system, or an error before the first write. The
//! way in is `grow`. What is kept of the old file system is never moved: growth lengthens the last group and adds
//! groups behind it, as the kernel's online growth does. A new group holds its bitmaps and its inode table at its own
//! beginning. With `flex_bg` other places would be allowed, and mke2fs packs the tables of sixteen groups together; but
//! a group that is complete in itself is valid with and without the feature, needs no space in another group, and is
//! accepted by e2fsck, the kernel and resize2fs.
//!
//! Limits: block sizes of 1, 2 and 4 KiB, fewer than 2^32 blocks, and no more descriptor blocks than are in use and
//! reserved; `bigalloc`, `meta_bg`, `sparse_super2` and `mmp` are refused by name, as are unknown features.
//!
//! May use: `layout`, and [`crate::disk`] for reading and writing. Not: `volume`, `fsck`, `ops` or the crate.

mod damage;
mod descriptor_table;
mod geometry;
mod grow;
mod new_group;
mod plan;
mod read;
mod resize_inode;
mod size_limit;
mod superblock;
mod write;

#[cfg(test)]
mod tests;

pub use grow::{Grown, grow, limit, size_for};

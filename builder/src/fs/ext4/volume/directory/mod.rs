//! Directories: names looked up, added and removed, in time that does not grow with the directory where it has a hash tree.
//!
//! In: a directory's inode and a name. Out: the inode of the name, or the directory with the change written. The way in
//! is `names`; it asks `htree` where the directory has a hash tree, else `linear`. Both stand on `blocks`, which reads,
//! checks, writes and adds the blocks of a directory.
//!
//! May use: `layout`, and the rest of `volume` for blocks, extents and inodes.

mod blocks;
mod htree;
pub(crate) mod linear;
mod names;

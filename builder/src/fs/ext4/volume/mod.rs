//! The file system as one volume, with the means to change it: blocks, groups, inodes, extents, file data, directories.
//!
//! In: a [`crate::fs::ext4::io::device::Device`] and the superblock. Out: `Volume`, whose methods lie in the file of
//! their matter, from the bottom to the top: `blocks` (the struct itself, and the counts), `groups`, `allocation`,
//! `inodes`, `extents`, `block_map`, `file_data`, `directory/`, `inode_links`. `mount` opens the crate's view of the same device.
//!
//! Inodes and directories are known by number here, names by bytes of one component. There are no paths, and nothing
//! asks whether an operation is allowed: that is the matter of `ops`. Errors are those of the crate.
//!
//! May use: `layout` and `io`. Not: `fsck`, `ops` or `resize`.

mod allocation;
pub(crate) mod block_map;
pub(crate) mod blocks;
pub(crate) mod directory;
pub(crate) mod extents;
pub(crate) mod file_data;
pub(crate) mod groups;
pub(crate) mod inode_links;
mod inodes;
pub(crate) mod mount;

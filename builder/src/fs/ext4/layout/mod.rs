//! The structures of the on-disk format, one file each: what their bytes mean, and which checksum they have.
//!
//! In: the bytes of a structure, with its checksum settings. Out: its fields, or an error where it contradicts
//! itself; changed structures as bytes with their checksum. Nothing here reads or writes an image, and everything is
//! a pure function of its arguments.
//!
//! `bytes` and `bitmap` are the tools, `checksum` and `features` are used by all; then come `superblock`, `error_record`,
//! `journal_superblock`, `group_descriptor`, `inode`, `extent_node`, `directory_block`, `htree_node`, `xattr_block`, `xattr_entries` and `acl`.
//!
//! May use: the errors and checksums of the crate, and [`crate::fs`]. Not: `io`, `volume` or anything above them.

pub(crate) mod acl;
pub(crate) mod bitmap;
pub(crate) mod bytes;
pub(crate) mod checksum;
pub(crate) mod directory_block;
pub(crate) mod error_record;
pub(crate) mod extent_node;
pub(crate) mod features;
pub(crate) mod group_descriptor;
pub(crate) mod htree_node;
pub(crate) mod inode;
pub(crate) mod journal_superblock;
pub(crate) mod superblock;
pub(crate) mod xattr_block;
pub(crate) mod xattr_entries;

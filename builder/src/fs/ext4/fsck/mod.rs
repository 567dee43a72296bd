//! Is a file system sound, and is all of it understood? Asked before the first write and again after the last one.
//!
//! In: a device, or the `Volume` of an opened file system. Out: nothing, or an error that names the first finding and its
//! fix. Nothing is repaired. The way in: `superblock` before anything else, `preflight` for the rest, `postflight` for what
//! was changed, which asks `changed` (with `names`). `preflight` asks `groups`, `journal`, `orphan_file`, `inodes` and `directories`; those ask `inode` (with
//! `extents`), `directory` (with `htree`) and `claims`. `journal` replays a journal in memory too, as e2fsck does.
//!
//! What a directory or an inode means is read as the writing code reads it, through `volume`: what was checked is
//! what will be edited.
//!
//! May use: `volume` for reading, `layout`, `io`. Not: `ops` or `resize`; and none of those checks twice.

mod changed;
mod claims;
mod directories;
mod directory;
mod extents;
pub(crate) mod groups;
mod htree;
mod inode;
mod inodes;
pub(crate) mod journal;
mod names;
mod orphan_file;
pub(crate) mod postflight;
pub(crate) mod preflight;
pub(crate) mod superblock;

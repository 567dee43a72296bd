//! Is a file system sound, and is all of it understood? Asked before the first write and again after the last one.
//!
//! In: a device, or the crate's view and the `Volume` of an opened file system. Out: nothing, or an error that names
//! the first finding and its fix. Nothing is repaired. The way in: `superblock` before anything else, `preflight` for
//! the rest, `postflight` for both over the written image. `preflight` asks `bitmaps` and `directories`; those ask
//! `inodes`, `block_usage` and `htree`. `journal` replays a journal in memory, as e2fsck does.
//!
//! What a directory or an inode means is read as the writing code reads it, through `volume`: what was checked is
//! what will be edited.
//!
//! May use: `volume` for reading, `layout`, `io`. Not: `ops` or `resize`; and none of those checks twice.

pub(crate) mod bitmaps;
mod block_usage;
mod blocks;
mod directories;
mod htree;
mod inodes;
pub(crate) mod journal;
pub(crate) mod postflight;
pub(crate) mod preflight;
pub(crate) mod superblock;

//! FAT, the file system of boot partitions.
//!
//! In: a window on the partition. Out: [`FatFs`], which implements [`crate::fs::FileSystem`]; the way in is `volume`.
//!
//! `fatfs` lists, reads, allocates and writes names. It trusts what it reads (a loop in a directory's chain never ends)
//! and has bugs in what it writes. So `check` checks the whole volume first, `names` and `free_space` refuse what
//! `fatfs` would do wrong, and `volume` corrects what it writes. It refuses volumes that Linux takes, so `view` shows it
//! others. `layout`, `table` and `dir` read the structures themselves, `names` the long names, `clock` the times, and
//! `lookup` finds paths.
//!
//! May use: [`crate::disk`], and what [`crate::fs`] shares. Not: `ext4`.
//!
//! Format: Microsoft, "FAT32 File System Specification", version 1.03.

mod check;
mod clock;
mod dir;
mod entries;
mod free_space;
mod layout;
mod lookup;
mod names;
mod table;
#[cfg(test)]
mod tests;
mod view;
mod volume;

pub use volume::{FatFs, FatOptions};

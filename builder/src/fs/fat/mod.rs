//! FAT, the file system of boot partitions.
//!
//! `fatfs` lists, reads, allocates and writes names. It trusts what it reads (a loop in a directory's chain never
//! ends) and has defects in what it writes, so this module checks everything before (`check`), keeps it away
//! from what it cannot do (`names`, `room`) and fixes what it leaves (`volume`).
//!
//! Format: Microsoft, "FAT32 File System Specification", version 1.03.

mod check;
mod clock;
mod dir;
mod layout;
mod lookup;
mod names;
mod room;
mod table;
#[cfg(test)]
mod tests;
mod volume;

pub use volume::{FatFs, FatOptions};

//! The partition as a block device: all reads and writes of ext4 go through here.
//!
//! In: a [`crate::disk::Window`] on a partition. Out: bytes by their place in it, and, at the end, the list of what
//! was changed. `device` is the way in; it keeps lines of the partition in `cache`, and notes in `changes` what is
//! written. `runtime` gives the crate a fixed clock and fixed inode generations.
//!
//! A read-only device never writes. A device that holds back writes nothing until it is released.
//!
//! May use: [`crate::disk`], the crate's traits, and `crc32c` of `layout`. It knows nothing of the format.

pub(crate) mod cache;
pub(crate) mod changes;
pub(crate) mod device;
pub(crate) mod runtime;

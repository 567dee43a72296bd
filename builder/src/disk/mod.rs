//! The image as a disk: units, partition tables, and the windows through which file systems are reached.

mod error;
mod gpt;
mod grow;
mod hybrid;
mod kind;
mod magic;
mod mbr;
mod table;
#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;
mod units;
mod window;

pub use error::{DiskError, Result};
pub use grow::grow_last;
pub use hybrid::order_for_firmware;
pub use kind::PartitionType;
pub use table::{Partition, PartitionTable, TableKind};
pub use units::{ByteOffset, ByteSize, SECTOR};
pub use window::{Cursor, Window};

//! The image as a disk: units, partition tables, and windows on its partitions.
//!
//! In: an open image. Out: a [`PartitionTable`], a [`Window`] for each partition, or a table that was changed:
//! [`settle_end`] gives it the end that tools want, [`grow_last`] enlarges the last partition, [`order_for_firmware`] reorders a hybrid MBR, [`set_disk_id`] changes the id of an
//! MBR.
//!
//! From the bottom to the top: `units`, `error`, `window`, `kind`; `partition` (the types of a table); `file_systems` and
//! `magic`, which know what is no disk; `mbr` and `gpt`, one format each; `table`, which reads and checks whichever the image has; `gpt_edit`; `grow`, `settle`,
//! `hybrid` and `disk_id`.
//!
//! May use: nothing else of this program. Every size and number of a table is checked before it is used.

mod disk_id;
mod error;
mod file_systems;
mod gpt;
mod gpt_edit;
mod grow;
mod hybrid;
mod kind;
pub(crate) mod magic;
mod mbr;
mod partition;
mod settle;
mod table;
#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;
mod units;
mod window;

pub use disk_id::set_disk_id;
pub use error::{DiskError, Result};
pub use file_systems::other_file_system;
pub use grow::grow_last;
pub use hybrid::order_for_firmware;
pub use kind::PartitionType;
pub use partition::{Partition, PartitionTable, TableKind};
pub use settle::settle_end;
pub use units::{ByteOffset, ByteSize, SECTOR};
pub use window::{Cursor, Window};

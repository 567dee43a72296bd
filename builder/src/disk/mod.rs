//! The image as a disk: units, partition tables, and the windows through which file systems are reached.

mod units;
mod window;

pub use units::{ByteOffset, ByteSize, SECTOR};
pub use window::{Cursor, Window};

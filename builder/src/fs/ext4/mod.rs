//! ext4 inside an image, edited in user space: no mount, no loop device, no root.
//!
//! In: a [`crate::disk::Window`] on the partition. Out: [`Ext4`], which is opened only if the file system is sound, and
//! which checks it again after the last write. The way in is `open`; `file_system` implements
//! [`crate::fs::FileSystem`]. Each directory tells its own way in; their dependencies point downwards only:
//!
//! ```text
//! open, file_system ─> ops ─────────> volume ─> layout, io
//!                   └> fsck (checks) ─┘         resize ─> layout
//! ```
//!
//! The crate `rust-fs-ext4` does a part of the writing. Nothing outside of this module uses its types, and it is not
//! trusted: a file system must be sound, with features that are known to be edited correctly. Tests compare the results
//! with e2fsck, debugfs, a second implementation and the kernel; `make ext4-matrix` runs them all.
//!
//! What the crate does not do, and where it is done:
//!
//! - it does not verify the bitmaps from which it allocates: `fsck`;
//! - it reports a lack of space as damage: `error`;
//! - it does not set the times of a directory whose names change, and of a file whose links change:
//!   `ops::directory_entries`, `ops::dentry`;
//! - it ignores the immutable and append-only flags: `ops::dentry`;
//! - it stores an access control list as given, and apart from the permissions: `layout::acl`, `ops::xattr`;
//! - it says "no space" where attributes do not fit into their one block: `ops::xattr`;
//! - it writes neither files with block maps nor into preallocated blocks of a deep extent tree: both are refused, and
//!   the file does not change.

mod error;
mod examine;
mod file_system;
mod free_ranges;
mod fsck;
mod io;
mod layout;
mod open;
mod ops;
pub mod resize;
#[cfg(test)]
mod scratch;
#[cfg(test)]
mod tests;
mod volume;

pub use self::examine::{Examined, JournalState};
pub use self::io::changes::Changes;
pub use self::layout::error_record::{ErrorRecord, RecordedError};
pub use self::open::Ext4Options;
pub use self::ops::attributes::{Metadata, Time};
pub use self::ops::handle::Ext4;
pub use self::ops::space_estimate::{Content, Need, Planned};

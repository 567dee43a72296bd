//! Damage that stops growth, with its fix.

use crate::fs::FsError;
use crate::fs::ext4::error::convert;

/// What fixes a damaged or unclean file system.
pub(crate) const RUN_E2FSCK: &str = "run `e2fsck -f` on the partition, then try again";

pub(crate) fn corrupt(what: String) -> FsError {
    FsError::Corrupt { what, hint: Some(RUN_E2FSCK) }
}

/// A structure that is too short for its fields.
pub(crate) fn damaged(error: fs_ext4::error::Error) -> FsError {
    match convert(error, "growing") {
        FsError::Corrupt { what, .. } => corrupt(what),
        error => error,
    }
}

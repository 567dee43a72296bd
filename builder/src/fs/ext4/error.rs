//! Errors of the ext4 crate as errors of [`crate::fs`]: with the file's name, and with the fix.

use fs_ext4::error::Error;

use crate::fs::FsError;

/// What fixes a damaged file system.
pub(crate) const FIX_DAMAGE: &str = "use a fresh image, or fix a copy of its partition with `e2fsck -fy`";
/// What fixes a file system that was not cleanly unmounted.
pub(crate) const FIX_UNCLEAN: &str =
    "boot it once and shut it down, or fix a copy of its partition with `e2fsck -fy`";

/// What the crate says where no group has a free run of blocks. It has a variant for this, but does not always use it.
const NO_BLOCKS: &str = "no group has a contiguous free run of this size";
/// What the crate and `Volume` say where no group has a free inode.
const NO_INODES: &str = "no group has a free inode";

/// What ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// Free blocks.
    Blocks,
    /// Free inodes.
    Inodes,
}

/// What ran out, if the error says so. The crate reports both as damage.
pub(crate) fn exhausted(error: &Error) -> Option<Exhausted> {
    match error {
        Error::NoSpaceLeftOnDevice | Error::Corrupt(NO_BLOCKS) => Some(Exhausted::Blocks),
        Error::Corrupt(NO_INODES) => Some(Exhausted::Inodes),
        _ => None,
    }
}

/// An error of the crate while doing `what` (in the gerund, with the file's name).
pub(crate) fn convert(error: Error, what: &str) -> FsError {
    match error {
        Error::Io(source) => FsError::Io { what: what.to_owned(), source },
        Error::UnsupportedIncompat(_) | Error::UnsupportedRoCompat(_) | Error::Unsupported(_) => {
            FsError::Unsupported { what: format!("{what}: {error}") }
        }
        Error::NotFound
        | Error::NotADirectory
        | Error::IsADirectory
        | Error::AlreadyExists
        | Error::DirectoryNotEmpty
        | Error::NameTooLong
        | Error::InvalidArgument(_)
        | Error::TooManyLinks => FsError::BadPath { path: what.to_owned(), problem: error.to_string() },
        error => corrupt(format!("{what}: {error}")),
    }
}

/// Damage that `e2fsck` may fix.
pub(crate) fn corrupt(what: String) -> FsError {
    FsError::Corrupt { what, hint: Some(FIX_DAMAGE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_becomes_its_kind() {
        assert_eq!(exhausted(&Error::Corrupt("no group has a free inode")), Some(Exhausted::Inodes));
        assert_eq!(exhausted(&Error::NoSpaceLeftOnDevice), Some(Exhausted::Blocks));
        assert_eq!(exhausted(&Error::Corrupt("else")), None);
        let of = |error| convert(error, "writing /a");
        assert!(matches!(of(Error::Io(std::io::Error::other("x"))), FsError::Io { .. }));
        assert!(matches!(of(Error::Unsupported("x")), FsError::Unsupported { .. }));
        assert!(matches!(of(Error::IsADirectory), FsError::BadPath { .. }));
        let text = of(Error::BadChecksum { what: "inode" }).to_string();
        assert!(text.contains("writing /a: inode checksum mismatch; use a fresh image"), "{text}");
    }
}

//! Which features of ext4 we edit, and the names of those that we refuse.
//!
//! Bits from the [superblock's description](https://docs.kernel.org/filesystems/ext4/super.html), names as
//! `dumpe2fs` prints them, so that a message can be looked up.

use crate::fs::{FsError, Result};

/// A set of feature bits as the superblock keeps it: what is unknown in it decides what an unaware program may do.
struct Set {
    /// How `dumpe2fs` calls an unnamed bit of the set: `FEATURE_C12`.
    letter: char,
    names: &'static [(u32, &'static str)],
    allowed: u32,
}

/// May be ignored by a program that does not know it; we still refuse to edit, for what we would leave stale.
const COMPAT: Set = Set {
    letter: 'C',
    names: &[
        (0x1, "dir_prealloc"),
        (0x2, "imagic_inodes"),
        (0x4, "has_journal"),
        (0x8, "ext_attr"),
        (0x10, "resize_inode"),
        (0x20, "dir_index"),
        (0x40, "lazy_bg"),
        (0x80, "snapshot_bitmap"),
        (0x200, "sparse_super2"),
        (0x400, "fast_commit"),
        (0x800, "stable_inodes"),
        (0x1000, "orphan_file"),
    ],
    allowed: 0x4 | 0x8 | 0x10 | 0x20 | 0x1000,
};

/// Without knowing it nobody may even read.
const INCOMPAT: Set = Set {
    letter: 'I',
    names: &[
        (0x1, "compression"),
        (0x2, "filetype"),
        (0x4, "needs_recovery"),
        (0x8, "journal_dev"),
        (0x10, "meta_bg"),
        (0x40, "extent"),
        (0x80, "64bit"),
        (0x100, "mmp"),
        (0x200, "flex_bg"),
        (0x400, "ea_inode"),
        (0x1000, "dirdata"),
        (0x2000, "metadata_csum_seed"),
        (0x4000, "large_dir"),
        (0x8000, "inline_data"),
        (0x10000, "encrypt"),
        (0x20000, "casefold"),
    ],
    // needs_recovery is a state, refused as such with its fix.
    allowed: 0x2 | NEEDS_RECOVERY | 0x40 | 0x80 | 0x200 | 0x2000 | 0x4000,
};

/// Without knowing it one may read, but not write.
const RO_COMPAT: Set = Set {
    letter: 'R',
    names: &[
        (0x1, "sparse_super"),
        (0x2, "large_file"),
        (0x4, "btree_dir"),
        (0x8, "huge_file"),
        (0x10, "uninit_bg"),
        (0x20, "dir_nlink"),
        (0x40, "extra_isize"),
        (0x80, "snapshot"),
        (0x100, "quota"),
        (0x200, "bigalloc"),
        (0x400, "metadata_csum"),
        (0x800, "replica"),
        (0x1000, "read-only"),
        (0x2000, "project"),
        (0x4000, "shared_blocks"),
        (0x8000, "verity"),
        (0x10000, "orphan_present"),
    ],
    // orphan_present is a state, refused as such with its fix.
    allowed: 0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x40 | 0x400 | ORPHAN_PRESENT,
};

/// Without these a file system is ext2 or ext3, whose block maps we do not write.
const REQUIRED_INCOMPAT: u32 = 0x2 | 0x40;

/// `needs_recovery`: the journal holds changes that are not in their places yet.
pub(super) const NEEDS_RECOVERY: u32 = 0x4;
/// `orphan_present`: the orphan file names inodes that were deleted while open.
pub(super) const ORPHAN_PRESENT: u32 = 0x10000;

/// The three feature words of a superblock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Features {
    /// `s_feature_compat`.
    pub(super) compat: u32,
    /// `s_feature_incompat`.
    pub(super) incompat: u32,
    /// `s_feature_ro_compat`.
    pub(super) ro_compat: u32,
}

impl Features {
    /// Refuses by name whatever we cannot read correctly.
    pub(super) fn check_readable(self) -> Result<()> {
        refuse(INCOMPAT.refused(self.incompat))?;
        let missing = REQUIRED_INCOMPAT & !self.incompat;
        if missing == 0 {
            return Ok(());
        }
        let names = INCOMPAT.names_of(missing).join(", ");
        Err(FsError::Unsupported { what: format!("an ext2 or ext3 file system (without {names})") })
    }

    /// Refuses by name whatever we would not keep correct when writing.
    pub(super) fn check_writable(self) -> Result<()> {
        self.check_readable()?;
        let mut refused = COMPAT.refused(self.compat);
        refused.extend(RO_COMPAT.refused(self.ro_compat));
        refuse(refused)
    }
}

impl Set {
    fn refused(&self, bits: u32) -> Vec<String> {
        self.names_of(bits & !self.allowed)
    }

    fn names_of(&self, bits: u32) -> Vec<String> {
        (0..u32::BITS).filter(|bit| bits & (1 << bit) != 0).map(|bit| self.name(bit)).collect()
    }

    fn name(&self, bit: u32) -> String {
        let known = self.names.iter().find(|(mask, _)| *mask == 1 << bit);
        known.map_or_else(|| format!("FEATURE_{}{bit}", self.letter), |(_, name)| (*name).to_owned())
    }
}

fn refuse(names: Vec<String>) -> Result<()> {
    match names.as_slice() {
        [] => Ok(()),
        [name] => Err(FsError::Unsupported { what: format!("the ext4 feature {name}") }),
        names => {
            Err(FsError::Unsupported { what: format!("the use of the ext4 features {}", names.join(", ")) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What mke2fs 1.47 makes by default.
    const DEFAULT: Features = Features { compat: 0x103c, incompat: 0x22c2, ro_compat: 0x46b };

    #[test]
    fn the_usual_features_are_taken() {
        DEFAULT.check_writable().unwrap();
        // Raspberry Pi OS: without 64bit and huge_file.
        Features { compat: 0x3c, incompat: 0x242, ro_compat: 0x463 }.check_writable().unwrap();
    }

    #[test]
    fn others_are_refused_by_name() {
        let refusal = |features: Features| features.check_writable().unwrap_err().to_string();
        let with = |compat, incompat, ro_compat| Features {
            compat: DEFAULT.compat | compat,
            incompat: DEFAULT.incompat | incompat,
            ro_compat: DEFAULT.ro_compat | ro_compat,
        };
        for (features, name) in [
            (with(0x400, 0, 0), "fast_commit"),
            (with(0, 0x8000, 0), "inline_data"),
            (with(0, 0x10000, 0), "encrypt"),
            (with(0, 0x20000, 0), "casefold"),
            (with(0, 0, 0x100), "quota"),
            (with(0, 0, 0x8000), "verity"),
            (with(0, 1 << 24, 0), "FEATURE_I24"),
            (with(1 << 31, 0, 0), "FEATURE_C31"),
            (with(0, 0, 0x2100), "quota, project"),
            (Features { incompat: 0x2, ..DEFAULT }, "without extent"),
        ] {
            let text = refusal(features);
            assert!(text.contains(name) && text.ends_with("not supported"), "{text}");
        }
    }

    #[test]
    fn reading_tolerates_what_only_writers_must_know() {
        Features { ro_compat: 0xffff_ffff, compat: 0xffff_ffff, ..DEFAULT }.check_readable().unwrap();
        assert!(Features { incompat: DEFAULT.incompat | 0x8000, ..DEFAULT }.check_readable().is_err());
    }
}

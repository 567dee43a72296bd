//! The features of an ext4 file system: their bits, their names, and which of them each use allows.
//!
//! Bits from the [superblock](https://docs.kernel.org/filesystems/ext4/super.html), names as `dumpe2fs` prints them,
//! so that a message can be looked up.

use fs_ext4::superblock::Superblock;

use crate::fs::{FsError, Result};

pub(crate) const HAS_JOURNAL: u32 = 0x4;
pub(crate) const EXT_ATTR: u32 = 0x8;
pub(crate) const RESIZE_INODE: u32 = 0x10;
pub(crate) const DIR_INDEX: u32 = 0x20;
pub(crate) const ORPHAN_FILE: u32 = 0x1000;

const FILETYPE: u32 = 0x2;
pub(crate) const NEEDS_RECOVERY: u32 = 0x4;
const JOURNAL_DEV: u32 = 0x8;
const EXTENT: u32 = 0x40;
pub(crate) const BIT64: u32 = 0x80;
pub(crate) const FLEX_BG: u32 = 0x200;
pub(crate) const METADATA_CSUM_SEED: u32 = 0x2000;
pub(crate) const LARGE_DIR: u32 = 0x4000;

pub(crate) const SPARSE_SUPER: u32 = 0x1;
pub(crate) const UNINIT_BG: u32 = 0x10;
pub(crate) const HUGE_FILE: u32 = 0x8;
pub(crate) const DIR_NLINK: u32 = 0x20;
pub(crate) const EXTRA_ISIZE: u32 = 0x40;
pub(crate) const METADATA_CSUM: u32 = 0x400;
pub(crate) const ORPHAN_PRESENT: u32 = 0x1_0000;

/// One of the three words of feature bits. Which word holds a bit says what a program may do that does not know it.
struct Word {
    /// How `dumpe2fs` calls a bit without a name: `FEATURE_C12`.
    letter: char,
    names: &'static [(u32, &'static str)],
    /// Bits with which files and directories are edited correctly.
    edited: u32,
    /// Bits with which the file system is grown correctly.
    grown: u32,
}

/// A program that does not know these may read and write. Editing refuses the unknown ones all the same: it could
/// leave something stale.
const COMPAT: Word = Word {
    letter: 'C',
    names: &[
        (0x1, "dir_prealloc"),
        (0x2, "imagic_inodes"),
        (HAS_JOURNAL, "has_journal"),
        (EXT_ATTR, "ext_attr"),
        (RESIZE_INODE, "resize_inode"),
        (DIR_INDEX, "dir_index"),
        (0x40, "lazy_bg"),
        (0x80, "snapshot_bitmap"),
        (0x100, "exclude_bitmap"),
        (0x200, "sparse_super2"),
        (0x400, "fast_commit"),
        (0x800, "stable_inodes"),
        (ORPHAN_FILE, "orphan_file"),
    ],
    edited: HAS_JOURNAL | EXT_ATTR | RESIZE_INODE | DIR_INDEX | ORPHAN_FILE,
    grown: 0x1 | HAS_JOURNAL | EXT_ATTR | RESIZE_INODE | DIR_INDEX | 0x400 | 0x800 | ORPHAN_FILE,
};

/// A program that does not know these may not even read.
const INCOMPAT: Word = Word {
    letter: 'I',
    names: &[
        (0x1, "compression"),
        (FILETYPE, "filetype"),
        (NEEDS_RECOVERY, "needs_recovery"),
        (JOURNAL_DEV, "journal_dev"),
        (0x10, "meta_bg"),
        (EXTENT, "extent"),
        (BIT64, "64bit"),
        (0x100, "mmp"),
        (FLEX_BG, "flex_bg"),
        (0x400, "ea_inode"),
        (0x1000, "dirdata"),
        (METADATA_CSUM_SEED, "metadata_csum_seed"),
        (LARGE_DIR, "large_dir"),
        (0x8000, "inline_data"),
        (0x1_0000, "encrypt"),
        (0x2_0000, "casefold"),
    ],
    // needs_recovery is a state: the checks of the superblock refuse it with its fix.
    edited: FILETYPE | NEEDS_RECOVERY | EXTENT | BIT64 | FLEX_BG | METADATA_CSUM_SEED | LARGE_DIR,
    grown: FILETYPE
        | NEEDS_RECOVERY
        | EXTENT
        | BIT64
        | FLEX_BG
        | 0x400
        | METADATA_CSUM_SEED
        | LARGE_DIR
        | 0x8000
        | 0x1_0000
        | 0x2_0000,
};

/// A program that does not know these may read, but not write.
const RO_COMPAT: Word = Word {
    letter: 'R',
    names: &[
        (SPARSE_SUPER, "sparse_super"),
        (0x2, "large_file"),
        (0x4, "btree_dir"),
        (HUGE_FILE, "huge_file"),
        (UNINIT_BG, "uninit_bg"),
        (DIR_NLINK, "dir_nlink"),
        (EXTRA_ISIZE, "extra_isize"),
        (0x80, "snapshot"),
        (0x100, "quota"),
        (0x200, "bigalloc"),
        (METADATA_CSUM, "metadata_csum"),
        (0x800, "replica"),
        (0x1000, "read-only"),
        (0x2000, "project"),
        (0x4000, "shared_blocks"),
        (0x8000, "verity"),
        (ORPHAN_PRESENT, "orphan_present"),
    ],
    // orphan_present is a state: the checks of the superblock refuse it with its fix.
    edited: SPARSE_SUPER
        | 0x2
        | HUGE_FILE
        | UNINIT_BG
        | DIR_NLINK
        | EXTRA_ISIZE
        | METADATA_CSUM
        | ORPHAN_PRESENT,
    grown: SPARSE_SUPER
        | 0x2
        | 0x4
        | HUGE_FILE
        | UNINIT_BG
        | DIR_NLINK
        | EXTRA_ISIZE
        | 0x100
        | METADATA_CSUM
        | 0x2000
        | 0x8000
        | ORPHAN_PRESENT,
};

/// Without these a file system is ext2 or ext3, whose block maps are not written here.
const REQUIRED_INCOMPAT: u32 = FILETYPE | EXTENT;

/// The three words of a superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Features {
    /// `s_feature_compat`.
    pub(crate) compat: u32,
    /// `s_feature_incompat`.
    pub(crate) incompat: u32,
    /// `s_feature_ro_compat`.
    pub(crate) ro_compat: u32,
}

impl From<&Superblock> for Features {
    fn from(sb: &Superblock) -> Self {
        Self { compat: sb.feature_compat, incompat: sb.feature_incompat, ro_compat: sb.feature_ro_compat }
    }
}

impl Features {
    /// Refuses by name what cannot be read correctly.
    pub(crate) fn check_readable(self) -> Result<()> {
        if self.has_incompat(JOURNAL_DEV) {
            let what = "an external journal of an ext4 file system (journal_dev)".to_owned();
            return Err(FsError::Unsupported { what });
        }
        refuse(&INCOMPAT.names_of(self.incompat & !INCOMPAT.edited))?;
        let missing = REQUIRED_INCOMPAT & !self.incompat;
        if missing == 0 {
            return Ok(());
        }
        let names = INCOMPAT.names_of(missing).join(", ");
        Err(FsError::Unsupported { what: format!("an ext2 or ext3 file system (without {names})") })
    }

    /// Refuses by name what editing would not keep correct.
    pub(crate) fn check_writable(self) -> Result<()> {
        self.check_readable()?;
        let mut refused = COMPAT.names_of(self.compat & !COMPAT.edited);
        refused.extend(RO_COMPAT.names_of(self.ro_compat & !RO_COMPAT.edited));
        refuse(&refused)
    }

    /// Refuses by name what growing would not keep correct: a feature that changes groups, bitmaps or the resize
    /// inode, and any that is unknown.
    pub(crate) fn check_growable(self) -> Result<()> {
        let mut refused = COMPAT.names_of(self.compat & !COMPAT.grown);
        refused.extend(INCOMPAT.names_of(self.incompat & !INCOMPAT.grown));
        refused.extend(RO_COMPAT.names_of(self.ro_compat & !RO_COMPAT.grown));
        if !refused.is_empty() {
            let what = format!("growing an ext4 file system that has the {}", named(&refused));
            return Err(FsError::Unsupported { what });
        }
        if self.has_compat(RESIZE_INODE) && !self.has_ro_compat(SPARSE_SUPER) {
            // mke2fs refuses to make this: an indirect block may have no room for a copy in every group.
            let what = "growing an ext4 file system that has resize_inode without sparse_super".to_owned();
            return Err(FsError::Unsupported { what });
        }
        Ok(())
    }

    /// Whether a bit of `s_feature_compat` is set.
    pub(crate) fn has_compat(self, bit: u32) -> bool {
        self.compat & bit != 0
    }

    /// Whether a bit of `s_feature_incompat` is set.
    pub(crate) fn has_incompat(self, bit: u32) -> bool {
        self.incompat & bit != 0
    }

    /// Whether a bit of `s_feature_ro_compat` is set.
    pub(crate) fn has_ro_compat(self, bit: u32) -> bool {
        self.ro_compat & bit != 0
    }
}

impl Word {
    fn names_of(&self, bits: u32) -> Vec<String> {
        (0..u32::BITS).filter(|bit| bits & (1 << bit) != 0).map(|bit| self.name(bit)).collect()
    }

    fn name(&self, bit: u32) -> String {
        let known = self.names.iter().find(|(mask, _)| *mask == 1 << bit);
        known.map_or_else(|| format!("FEATURE_{}{bit}", self.letter), |(_, name)| (*name).to_owned())
    }
}

fn refuse(names: &[String]) -> Result<()> {
    match names {
        [] => Ok(()),
        [_] => Err(FsError::Unsupported { what: format!("the ext4 {}", named(names)) }),
        _ => Err(FsError::Unsupported { what: format!("the use of the ext4 {}", named(names)) }),
    }
}

fn named(names: &[String]) -> String {
    match names {
        [name] => format!("feature {name}"),
        names => format!("features {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What mke2fs 1.47 makes by default; Debian 12 too.
    const DEFAULT: Features = Features { compat: 0x103c, incompat: 0x22c2, ro_compat: 0x46b };
    const NONE: Features = Features { compat: 0, incompat: 0, ro_compat: 0 };

    #[test]
    fn the_default_features_are_edited() {
        DEFAULT.check_writable().unwrap();
        // Raspberry Pi OS: without 64bit and huge_file.
        Features { compat: 0x3c, incompat: 0x242, ro_compat: 0x463 }.check_writable().unwrap();
    }

    #[test]
    fn features_that_are_not_edited_are_refused_by_name() {
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
    fn features_that_only_writers_must_know_do_not_stop_reading() {
        Features { ro_compat: 0xffff_ffff, compat: 0xffff_ffff, ..DEFAULT }.check_readable().unwrap();
        assert!(Features { incompat: DEFAULT.incompat | 0x8000, ..DEFAULT }.check_readable().is_err());
    }

    #[test]
    fn features_that_are_not_grown_are_refused_by_name() {
        let cases = [
            (Features { compat: 0x23c, incompat: 0x2c2, ro_compat: 0x46b }, "sparse_super2"),
            (Features { incompat: 0x10, ..NONE }, "meta_bg"),
            (Features { incompat: 0x100, ..NONE }, "mmp"),
            (Features { ro_compat: 0x200, ..NONE }, "bigalloc"),
            (Features { compat: 0x10, ..NONE }, "without sparse_super"),
            (Features { ro_compat: 0x8000_0000, ..NONE }, "FEATURE_R31"),
        ];
        for (features, name) in cases {
            let error = features.check_growable().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(DEFAULT.check_growable().is_ok());
    }
}

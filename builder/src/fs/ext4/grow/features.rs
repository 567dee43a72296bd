//! Which features growth knows, see <https://docs.kernel.org/filesystems/ext4/super.html> (the tables of
//! `s_feature_compat`, `s_feature_incompat` and `s_feature_ro_compat`).
//!
//! A feature that changes neither groups nor bitmaps nor the resize inode is let through; any other, and any
//! that is not known, is refused by its name.

use crate::fs::{FsError, Result};

/// The three words of feature bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Features {
    pub compat: u32,
    pub incompat: u32,
    pub ro_compat: u32,
}

const RESIZE_INODE: u32 = 0x10;
const RECOVER: u32 = 0x4;
const BIT64: u32 = 0x80;
const CSUM_SEED: u32 = 0x2000;
const SPARSE_SUPER: u32 = 0x1;
const GDT_CSUM: u32 = 0x10;
const METADATA_CSUM: u32 = 0x400;
const ORPHAN_PRESENT: u32 = 0x1_0000;

/// dir_prealloc, has_journal, ext_attr, resize_inode, dir_index, fast_commit, stable_inodes, orphan_file.
const KNOWN_COMPAT: u32 = 0x1 | 0x4 | 0x8 | RESIZE_INODE | 0x20 | 0x400 | 0x800 | 0x1000;
/// filetype, recover (judged by [`Features::is_to_recover`]), extent, 64bit, flex_bg, ea_inode, csum_seed,
/// large_dir, inline_data, encrypt, casefold.
const KNOWN_INCOMPAT: u32 =
    0x2 | RECOVER | 0x40 | BIT64 | 0x200 | 0x400 | CSUM_SEED | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000;
/// sparse_super, large_file, btree_dir, huge_file, gdt_csum, dir_nlink, extra_isize, quota, metadata_csum,
/// project, verity, orphan_present (judged by [`Features::has_orphans`]).
const KNOWN_RO_COMPAT: u32 = SPARSE_SUPER
    | 0x2
    | 0x4
    | 0x8
    | GDT_CSUM
    | 0x20
    | 0x40
    | 0x100
    | METADATA_CSUM
    | 0x2000
    | 0x8000
    | ORPHAN_PRESENT;

/// Names of what is refused, as mke2fs and dumpe2fs spell them.
const COMPAT_NAMES: [(u32, &str); 4] =
    [(0x2, "imagic_inodes"), (0x40, "lazy_bg"), (0x100, "exclude_bitmap"), (0x200, "sparse_super2")];
const INCOMPAT_NAMES: [(u32, &str); 5] =
    [(0x1, "compression"), (0x8, "journal_dev"), (0x10, "meta_bg"), (0x100, "mmp"), (0x1000, "dirdata")];
const RO_COMPAT_NAMES: [(u32, &str); 5] = [
    (0x80, "snapshot"),
    (0x200, "bigalloc"),
    (0x800, "replica"),
    (0x1000, "read-only"),
    (0x4000, "shared_blocks"),
];

impl Features {
    /// Refuses what growth does not know.
    pub(super) fn check(self) -> Result<()> {
        let words = [
            (self.compat, KNOWN_COMPAT, &COMPAT_NAMES[..], "compat"),
            (self.incompat, KNOWN_INCOMPAT, &INCOMPAT_NAMES[..], "incompat"),
            (self.ro_compat, KNOWN_RO_COMPAT, &RO_COMPAT_NAMES[..], "ro_compat"),
        ];
        for (found, known, names, word) in words {
            let unknown = found & !known;
            if unknown != 0 {
                return Err(refused(unknown, names, word));
            }
        }
        if self.has_resize_inode() && !self.is_sparse() {
            // mke2fs refuses to make this: an indirect block may have no room for a copy in every group.
            return Err(FsError::Unsupported {
                what: "growing an ext4 file system that has resize_inode without sparse_super".to_owned(),
            });
        }
        Ok(())
    }

    /// Whether blocks behind the descriptors are reserved for more of them, through the resize inode.
    pub(super) fn has_resize_inode(self) -> bool {
        self.compat & RESIZE_INODE != 0
    }

    /// Whether the journal holds changes that are not in place yet.
    pub(super) fn is_to_recover(self) -> bool {
        self.incompat & RECOVER != 0
    }

    /// Whether deleted but unfinished files are listed in the orphan file.
    pub(super) fn has_orphans(self) -> bool {
        self.ro_compat & ORPHAN_PRESENT != 0
    }

    pub(super) fn is_64bit(self) -> bool {
        self.incompat & BIT64 != 0
    }

    pub(super) fn has_checksum_seed(self) -> bool {
        self.incompat & CSUM_SEED != 0
    }

    pub(super) fn is_sparse(self) -> bool {
        self.ro_compat & SPARSE_SUPER != 0
    }

    pub(super) fn sums_metadata(self) -> bool {
        self.ro_compat & METADATA_CSUM != 0
    }

    pub(super) fn sums_descriptors(self) -> bool {
        self.ro_compat & GDT_CSUM != 0
    }
}

fn refused(unknown: u32, names: &[(u32, &str)], word: &str) -> FsError {
    let name = names.iter().find(|(bit, _)| unknown & bit != 0).map_or_else(
        || format!("an unknown feature ({word} bits {unknown:#x})"),
        |(_, name)| format!("the feature {name}"),
    );
    FsError::Unsupported { what: format!("growing an ext4 file system that has {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_has_its_name() {
        let none = Features { compat: 0, incompat: 0, ro_compat: 0 };
        let cases = [
            (Features { compat: 0x23c, incompat: 0x2c2, ro_compat: 0x46b }, "sparse_super2"),
            (Features { incompat: 0x10, ..none }, "meta_bg"),
            (Features { incompat: 0x100, ..none }, "mmp"),
            (Features { ro_compat: 0x200, ..none }, "bigalloc"),
            (Features { compat: 0x10, ..none }, "without sparse_super"),
            (Features { ro_compat: 0x8000_0000, ..none }, "ro_compat bits 0x80000000"),
        ];
        for (features, name) in cases {
            let error = features.check().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        // Debian 12: has_journal ext_attr resize_inode dir_index orphan_file; filetype extent 64bit flex_bg
        // csum_seed; sparse_super large_file huge_file dir_nlink extra_isize metadata_csum.
        assert!(Features { compat: 0x103c, incompat: 0x22c2, ro_compat: 0x46b }.check().is_ok());
    }
}

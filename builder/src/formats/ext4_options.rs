//! Mount options of ext4, as in `rootflags=`.

/// What the kernel knows for ext4 (`fs/ext4/super.c`), and what it or mount(8) knows for every file system. One that is not
/// known makes the mount fail.
const KNOWN: &[&str] = &[
    "abort",
    "acl",
    "async",
    "atime",
    "auto",
    "auto_da_alloc",
    "barrier",
    "bh",
    "block_validity",
    "bsddf",
    "bsdgroups",
    "check",
    "commit",
    "data",
    "data_err",
    "dax",
    "debug",
    "debug_want_extra_isize",
    "defaults",
    "delalloc",
    "dev",
    "diratime",
    "dioread_lock",
    "dioread_nolock",
    "dirsync",
    "discard",
    "errors",
    "exec",
    "grpid",
    "grpjquota",
    "grpquota",
    "i_version",
    "init_itable",
    "inlinecrypt",
    "inode_readahead_blks",
    "iversion",
    "journal_async_commit",
    "journal_checksum",
    "journal_dev",
    "journal_ioprio",
    "journal_path",
    "jqfmt",
    "lazytime",
    "mand",
    "max_batch_time",
    "max_dir_size_kb",
    "mb_optimize_scan",
    "mblk_io_submit",
    "min_batch_time",
    "minixdf",
    "noacl",
    "noatime",
    "noauto",
    "noauto_da_alloc",
    "nobarrier",
    "nobh",
    "noblock_validity",
    "nodelalloc",
    "nodev",
    "nodioread_nolock",
    "nodiratime",
    "nodiscard",
    "noexec",
    "nofail",
    "nogrpid",
    "noinit_itable",
    "noiversion",
    "nojournal_checksum",
    "nolazytime",
    "noload",
    "nomand",
    "nombcache",
    "no_mbcache",
    "nomblk_io_submit",
    "no_prefetch_block_bitmaps",
    "noquota",
    "norecovery",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nouid32",
    "nouser_xattr",
    "nowarn_on_error",
    "oldalloc",
    "orlov",
    "prefetch_block_bitmaps",
    "prjquota",
    "quota",
    "relatime",
    "remount",
    "resgid",
    "resuid",
    "ro",
    "rw",
    "sb",
    "strictatime",
    "stripe",
    "suid",
    "sync",
    "sysvgroups",
    "test_dummy_encryption",
    "user_xattr",
    "usrjquota",
    "usrquota",
    "warn_on_error",
];

/// The first option of a comma-separated list that ext4 does not know.
pub fn unknown(options: &str) -> Option<&str> {
    let is_known = |option: &&str| {
        let name = option.split('=').next().unwrap_or_default();
        name.is_empty() || name.starts_with("x-") || KNOWN.contains(&name)
    };
    options.split(',').find(|option| !is_known(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_of_another_file_system_is_found() {
        for good in ["", "rw", "noatime,commit=30,errors=remount-ro", "data=journal,x-systemd.growfs"] {
            assert_eq!(unknown(good), None, "{good}");
        }
        assert_eq!(unknown("rw,subvol=@"), Some("subvol=@"));
        assert_eq!(unknown("compress=zstd,rw"), Some("compress=zstd"));
    }
}

//! What the kernel and e2fsck refuse is refused, what they take is taken: one change of a sound file system each.
//!
//! The verdicts were compared once with mounts by Linux 6.18 and with e2fsck 1.47 over 2,500 changes; where a case says
//! `TAKEN`, e2fsck is asked again here, and an edit must leave it clean.

use super::image::{Image, PLAIN, path, tool};
use super::refusals::{inode_at, number, refused};
use crate::fs::FileSystem;
use crate::fs::ext4::layout::checksum::crc32c;

const MIB: u64 = 32;
const BLOCK: u64 = 4096;

/// Features without which nothing but a field itself gives a change away.
const BARE: [&str; 4] = ["-b", "4096", "-O", "^metadata_csum"];

/// A block that nothing uses.
fn free_block(image: &Image) -> u32 {
    number(image, "ffb 1 6000", "Free blocks found:").try_into().unwrap()
}

fn put(image: &Image, at: u64, value: u32, bytes: usize) {
    image.patch(at, |word| word[..bytes].copy_from_slice(&value.to_le_bytes()[..bytes]));
}

/// It opens, and after an edit e2fsck says no more than before.
#[track_caller]
fn taken(image: &Image) {
    let said = |image: &Image| {
        let output = tool("e2fsck", &["-fn", &image.target()]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // The last line counts files and blocks.
        text.lines().filter(|line| !line.contains(" files (")).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = said(image);
    let fs = image.open();
    fs.create_dirs(&path("/etc/new"), PLAIN).unwrap();
    fs.write(&path("/etc/new/file"), &mut &[7; 9000][..], PLAIN).unwrap();
    fs.write(&path("/etc/hostname"), &mut &b"other"[..], PLAIN).unwrap();
    Box::new(fs).finish().unwrap();
    let after = said(image);
    let news: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(news.is_empty(), "{news:#?}");
    assert_eq!(image.try_open(false).unwrap().read(&path("/etc/hostname"), 10).unwrap(), b"other");
}

/// With a right checksum, where one is kept.
fn in_superblock(image: &Image, at: u64, value: u32, bytes: usize) {
    put(image, 1024 + at, value, bytes);
    let sb = image.partition_bytes(1024, 1024);
    if sb[0x65] & 4 != 0 {
        put(image, 1024 + 0x3fc, crc32c(!0, &sb[..0x3fc]), 4);
    }
}

/// `tune2fs` adds and removes features. What it may do is what a base may have been through.
#[test]
fn whatever_tune2fs_changes_is_taken_or_refused_by_name() {
    const FEATURES: [&str; 30] = [
        "dir_index",
        "has_journal",
        "ext_attr",
        "resize_inode",
        "filetype",
        "extent",
        "64bit",
        "flex_bg",
        "large_dir",
        "metadata_csum",
        "metadata_csum_seed",
        "uninit_bg",
        "sparse_super",
        "large_file",
        "huge_file",
        "dir_nlink",
        "extra_isize",
        "quota",
        "project",
        "orphan_file",
        "encrypt",
        "verity",
        "casefold",
        "mmp",
        "ea_inode",
        "fast_commit",
        "stable_inodes",
        "read-only",
        "sparse_super2",
        "dir_prealloc",
    ];
    const REFUSED: [&str; 11] = [
        "quota",
        "project",
        "encrypt",
        "verity",
        "casefold",
        "mmp",
        "ea_inode",
        "fast_commit",
        "stable_inodes",
        "read-only",
        "filetype",
    ];
    let mut changes = 0;
    for options in
        ["metadata_csum", "^metadata_csum,uninit_bg", "^metadata_csum,^uninit_bg,^dir_index", "orphan_file"]
    {
        let base = Image::new(MIB, &["-b", "4096", "-O", options]);
        for feature in FEATURES.iter().flat_map(|feature| [format!("^{feature}"), (*feature).to_owned()]) {
            let image = base.copy();
            let output = tool("tune2fs", &["-f", "-O", &feature, &image.target()]);
            if !output.status.success() || image.bytes() == base.bytes() {
                continue;
            }
            changes += 1;
            let name = feature.trim_start_matches('^');
            match image.try_open(true) {
                Ok(_) => taken(&image),
                // tune2fs asks for e2fsck where inodes have no checksums yet.
                Err(error) if feature == "metadata_csum" => {
                    assert!(error.to_string().contains("e2fsck -fy"), "{error}")
                }
                Err(error) => {
                    assert!(
                        REFUSED.contains(&name) && error.to_string().contains(name),
                        "{options} {feature}: {error}"
                    );
                }
            }
        }
    }
    assert!(changes > 60, "{changes}: tune2fs did not change enough to prove anything");
}

#[test]
fn superblocks_that_no_kernel_mounts_are_refused() {
    for (at, value, bytes, words) in [
        (0xe0, 0, 4, "the journal in inode 0"),
        (0xe0, 9_999_999, 4, "s_journal_inum"),
        (0xe4, 0x801, 4, "an external journal"),
        (0x54, 0, 4, "s_first_ino"),
        (0x54, 10, 4, "s_first_ino"),
        (0x54, u32::MAX, 4, "impossible numbers"),
        (0x1c, 0, 4, "s_log_cluster_size 0"),
        (0x1c, 255, 4, "s_log_cluster_size 255"),
        (0x24, 0, 4, "s_clusters_per_group 0"),
        (0x24, 65536, 4, "s_clusters_per_group 65536"),
        (0x174, 32, 1, "s_log_groups_per_flex"),
        (0x174, 255, 1, "s_log_groups_per_flex"),
        (0x175, 0, 1, "checksum type 0"),
        (0x175, 2, 1, "checksum type 2"),
        (0xfc, 9, 1, "s_def_hash_version"),
        (0x15c, 4000, 2, "more fields in inodes"),
        (0x15e, 4000, 2, "more fields in inodes"),
        (0xce, 60_000, 2, "room for 60000 blocks"),
        (0x4c, 9, 4, "revision 9"),
        (0x48, 1, 4, "of the Hurd"),
        (0x58, 64, 2, "0 bytes that they have room for"),
        (0x58, 8192, 2, "impossible numbers"),
        (0x28, 8, 4, "impossible numbers"),
        (0x14, 1, 4, "impossible numbers"),
    ] {
        let image = Image::empty(MIB, &["-b", "4096"]);
        in_superblock(&image, at, value, bytes);
        refused(&image, &[words]);
    }
}

#[test]
fn counts_of_the_whole_file_system_and_inodes_that_nobody_reads_may_be_anything() {
    let image = Image::new(MIB, &["-b", "4096"]);
    in_superblock(&image, 0xc, 5, 4);
    in_superblock(&image, 0x10, 7, 4);
    taken(&image);
    image.assert_clean();
    let image = Image::new(MIB, &["-b", "4096"]);
    for reserved in ["<3>", "<5>", "<6>", "<9>", "<10>"] {
        let at = inode_at(&image, reserved);
        (0..64).for_each(|word| put(&image, at + word * 4, 0, 4));
    }
    taken(&image);
    // Without checksums nobody looks at that of a descriptor, or at its flags.
    let image = Image::new(MIB, &["-b", "4096", "-O", "^metadata_csum,^uninit_bg,^64bit"]);
    put(&image, BLOCK + 0x1e, 0x1234, 2);
    put(&image, BLOCK + 0x12, 2, 2);
    taken(&image);
    // Fewer inodes in a group than are reserved.
    let image = Image::empty(
        MIB,
        &["-b", "1024", "-g", "256", "-N", "512", "-I", "128", "-O", "^resize_inode,^flex_bg"],
    );
    assert!(image.dumpe2fs().contains("Inodes per group:         8"), "{}", image.dumpe2fs());
    image.edit(|fs| {
        fs.write(&path("/new"), &mut &b"x"[..], PLAIN).unwrap();
    });
    // Bits that say what is not known.
    let image = Image::new(MIB, &BARE);
    let at = image.debugfs("bmap /etc 0").trim().parse::<u64>().unwrap() * BLOCK;
    image.patch(at + 28, |bytes| bytes[3] = 0);
    taken(&image);
}

#[test]
fn journals_that_no_kernel_loads_are_refused() {
    for (field, value, words) in [
        ("mode", "0", "the journal"),
        ("mode", "040755", "is not a regular file"),
        ("mode", "010600", "is not a regular file"),
        ("links_count", "0", "is deleted"),
        ("size", "0", "by its superblock"),
        ("size", "4096", "by its superblock"),
    ] {
        let image = Image::empty(MIB, &["-b", "4096"]);
        image.debugfs_write(&format!("sif <8> {field} {value}"));
        refused(&image, &[words]);
    }
    let first = |image: &Image| image.debugfs("bmap <8> 0").trim().parse::<u64>().unwrap() * BLOCK;
    for (at, value, words) in [
        (0, 0, "has no superblock"),
        (4, 9, "has no superblock"),
        (0xc, 512, "has blocks of 512 bytes"),
        (0x10, 100, "fewer than 1024"),
        (0x10, 99_999, "by its superblock 99999"),
        (0x14, 0, "from block 0"),
        (0x28, 0x40, "unknown features"),
        (0x20, 5, "aborted with error 5"),
    ] {
        let image = Image::empty(MIB, &BARE);
        image.patch(first(&image) + at, |word| *word = u32::to_be_bytes(value));
        refused(&image, &[words]);
    }
    let image = Image::empty(MIB, &BARE);
    let zapped = first(&image);
    (0..256).for_each(|word| put(&image, zapped + word * 4, 0, 4));
    refused(&image, &["has no superblock"]);
    // More bytes than blocks are no harm: the log does not reach so far.
    let image = Image::new(MIB, &["-b", "4096"]);
    image.debugfs_write("sif <8> size 0x7ffff000");
    taken(&image);
}

#[test]
fn orphan_files_that_no_kernel_takes_are_refused() {
    let image = || Image::empty(MIB, &["-b", "4096", "-O", "orphan_file"]);
    let number = u32::from_le_bytes(*image().partition_bytes(1024 + 0x280, 4).first_chunk().unwrap());
    for (field, value, words) in [
        ("mode", "040755", "is not a regular file"),
        ("mode", "010600", "is not a regular file"),
        ("size", "0", "has 0 bytes"),
        ("size", "5", "has 5 bytes"),
        ("size", "0x7ffff000", "has 2147479552 bytes"),
        ("generation", "77", "checksum does not match"),
        ("links_count", "0", "the orphan file"),
    ] {
        let image = image();
        image.debugfs_write(&format!("sif <{number}> {field} {value}"));
        refused(&image, &[words]);
    }
    for (at, words) in
        [(0, "checksum does not match"), (4088, "magic number"), (4092, "checksum does not match")]
    {
        let image = image();
        let block = image.debugfs(&format!("bmap <{number}> 0")).trim().parse::<u64>().unwrap() * BLOCK;
        put(&image, block + at, 20, 4);
        refused(&image, &[words]);
    }
}

#[test]
fn blocks_of_every_inode_count() {
    for (inode, at, words) in [
        ("<1>", 0x28, "belongs to inode 1, but is free"),
        ("<7>", 0x28, "belongs to inode 7, but is free"),
        ("<7>", 0x28 + 4 * 13, "belongs to inode 7, but is free"),
        ("<7>", 0x68, "inode 7"),
        ("<9>", 0x68, "inode 9"),
        ("<10>", 0x68, "inode 10"),
        ("/etc/hard", 0x68, "inode"),
    ] {
        let image = Image::new(MIB, &BARE);
        let block = free_block(&image);
        put(&image, inode_at(&image, inode) + at, block, 4);
        refused(&image, &[words]);
    }
    let image = Image::new(MIB, &BARE);
    put(&image, inode_at(&image, "/etc/hard") + 0x68, 0x7fff_ffff, 4);
    refused(&image, &["block number outside of the file system"]);
    let image = Image::new(MIB, &BARE);
    image.debugfs_write("feature ^ext_attr");
    refused(&image, &["ext_attr"]);
}

#[test]
fn extents_fit_sizes_and_kinds() {
    /// Places in an inode: size, flags, and of the first extent its block, length and place.
    const SIZE: u64 = 0x4;
    const FLAGS: u64 = 0x20;
    const LOGICAL: u64 = 0x34;
    const LENGTH: u64 = 0x38;
    const PLACE: u64 = 0x3c;
    for (file, at, value, bytes, words) in [
        ("/usr/bin/tool", LENGTH, 0, 2, "one of 0 blocks"),
        ("/usr/bin/tool", LOGICAL, u32::MAX, 4, "one of"),
        ("/usr/bin/tool", PLACE, 0, 4, "block 0 belongs to inode"),
        ("/usr/bin/tool", PLACE, 0x7fff_fff0, 4, "lies outside"),
        ("/usr/bin/tool", SIZE, 5, 4, "but blocks behind them"),
        ("/usr/bin/tool", SIZE + 0x68, 0x8000_0000, 4, "more than there can be"),
        ("/usr/bin/tool", 0x1c, 12_345, 4, "in i_blocks"),
        ("/etc", SIZE, 5000, 4, "whole blocks"),
        ("/etc", SIZE, 8192, 4, "but 1 blocks"),
        ("/var/lib/many", SIZE, 4096, 4, "blocks"),
        ("/etc", LENGTH, 0x8001, 2, "never written"),
        ("/etc", LOGICAL, 1, 4, "holes"),
        ("/etc", FLAGS, 0x80800, 4, "has the flags"),
        ("/run/fifo", FLAGS, 0x8_0000, 4, "FIFO with extents"),
        ("/lib", FLAGS, 0x8_0000, 4, "short symbolic link with extents"),
        ("/lib", SIZE, 5, 4, "a target that does not have 5 bytes"),
        ("/etc/long-link", SIZE, 9, 4, "a target that does not have 9 bytes"),
        ("/etc/hard", 0, 0x70a4, 2, "no kind of file"),
    ] {
        let image = Image::new(MIB, &BARE);
        put(&image, inode_at(&image, file) + at, value, bytes);
        refused(&image, &[words]);
    }
    // An index that does not begin where its leaf does.
    let image = Image::new(MIB, &BARE);
    let at = inode_at(&image, "/usr/bin/sparse");
    put(&image, at + LOGICAL, 1, 4);
    refused(&image, &["not where its index says"]);
    // One block more than the size needs is what e2fsck lets pass; holes are nothing to it.
    for (file, size) in [("/etc/hard", 4096), ("/etc/hard", 9_000_000)] {
        let image = Image::new(MIB, &BARE);
        put(&image, inode_at(&image, file) + SIZE, size, 4);
        taken(&image);
    }
}

/// Whatever leads outside is damage, also where it is only read.
#[test]
fn places_outside_are_damage() {
    for (file, at, value) in [
        ("/usr/bin/tool", 0x3c, 0x7fff_fff0),
        ("/usr/bin/sparse", 0x38, 0x7fff_fff0),
        ("/etc", 0x3c, 0x7fff_fff0),
        ("/etc/long-link", 0x3c, 0x7fff_fff0),
    ] {
        let image = Image::new(MIB, &BARE);
        put(&image, inode_at(&image, file) + at, value, 4);
        refused(&image, &["outside of the file system"]);
        let fs = image.try_open(false).unwrap();
        let error = match file {
            "/etc" => fs.list(&path(file)).unwrap_err(),
            "/etc/long-link" => fs.read_link(&path(file)).unwrap_err(),
            _ => fs.read(&path(file), 1 << 20).unwrap_err(),
        };
        assert!(matches!(error, crate::fs::FsError::Corrupt { .. }), "{file}: {error}");
    }
}

#[test]
fn attributes_keep_apart() {
    let with_two = || {
        let image = Image::new(MIB, &BARE);
        image.debugfs_script(&["ea_set /etc/hard user.a value", "ea_set /etc/hard user.b other"]);
        let at = inode_at(&image, "/etc/hard");
        let extra = u64::from(u16::from_le_bytes(*image.partition_bytes(at + 128, 2).first_chunk().unwrap()));
        // Behind the fields and the magic number; an entry has 16 bytes and its name.
        (image, at + 128 + extra + 4)
    };
    let (image, first) = with_two();
    taken(&image);
    let place = |image: &Image, entry: u64| image.partition_bytes(entry, 4);
    let (image, _) = with_two();
    let (one, two) = (place(&image, first), first + 20);
    image.patch(two, |word| word[2..].copy_from_slice(&one[2..]));
    refused(&image, &["extended attributes contradict themselves"]);
    for (at, value) in [(8, u32::MAX), (4, 5), (2, 0xffff)] {
        let (image, first) = with_two();
        put(&image, first + at, value, if at == 2 { 2 } else { 4 });
        refused(&image, &["extended attributes contradict themselves"]);
    }
    // A block that says it has other users than it has.
    for users in [0, 2, 9999] {
        let image = Image::new(MIB, &BARE);
        let said = image.debugfs("stat /usr/bin/block");
        let block: u64 =
            said.split("File ACL:").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        put(&image, block * BLOCK + 4, users, 4);
        refused(&image, &["extended attributes"]);
    }
}

/// As ext3 made them: looked up by their hash tree, checked by it, and grown.
#[test]
fn directories_with_block_maps_are_edited_like_others() {
    for block in ["1024", "4096"] {
        let image = Image::new(MIB, &["-b", block, "-O", "^extent,^64bit,^metadata_csum,^has_journal"]);
        // tune2fs makes an ext4 of an ext3 by this alone, and leaves its directories.
        let output = tool("tune2fs", &["-O", "extent", &image.target()]);
        assert!(output.status.success());
        let many: Vec<_> =
            (0..600).map(|number| format!("/var/lib/many/new-{number}-{}", "n".repeat(60))).collect();
        image.edit(|fs| {
            for name in &many {
                fs.write(&path(name), &mut &b"x"[..], PLAIN).unwrap();
            }
            fs.create_dirs(&path("/var/lib/many/dir"), PLAIN).unwrap();
            fs.remove(&path(&many[7])).unwrap();
        });
        assert!(!image.debugfs("stat /var/lib/many").contains("EXTENTS"), "it still has a block map");
        assert!(image.debugfs(&format!("stat {}", many[599])).contains("Type: regular"));
        image.edit(|fs| fs.remove_tree(&path("/var/lib/many")).unwrap());
        // Their trees are checked as well.
        let image = Image::new(MIB, &["-b", "4096", "-O", "^extent,^64bit,^metadata_csum,^has_journal"]);
        tool("tune2fs", &["-O", "extent", &image.target()]);
        let root = image.debugfs("bmap /var/lib/many 0").trim().parse::<u64>().unwrap() * BLOCK;
        put(&image, root + 0x28, u32::MAX, 4);
        refused(&image, &["directory inode"]);
    }
}

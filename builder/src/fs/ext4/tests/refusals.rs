//! Every state in which we must not write, really made; and that refusing changes no byte.

use super::image::{Image, PLAIN, path};
use crate::fs::ext4::{Ext4, Ext4Options};
use crate::fs::{FileSystem, FsError};

const MIB: u64 = 32;
const BLOCK: u64 = 4096;

/// Opening for writing must fail with all of `words` in the message, and leave the image as it is.
#[track_caller]
pub(super) fn refused(image: &Image, words: &[&str]) -> FsError {
    let before = image.bytes();
    let error = image.try_open(true).err().expect("it must be refused");
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    assert!(image.bytes() == before, "refusing changed the image");
    error
}

fn sound() -> Image {
    let image = Image::new(MIB, &["-b", "4096"]);
    image.try_open(true).unwrap();
    image
}

/// A number that debugfs prints after `key`.
pub(super) fn number(image: &Image, command: &str, key: &str) -> u64 {
    let said = image.debugfs(command);
    let at = said.find(key).unwrap_or_else(|| panic!("{key} is missing in {said}")) + key.len();
    let digits: String = said[at..].trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Where an inode lies in the partition.
pub(super) fn inode_at(image: &Image, file: &str) -> u64 {
    let said = image.debugfs(&format!("imap {file}"));
    let offset = said.rsplit("offset 0x").next().unwrap().trim();
    number(image, &format!("imap {file}"), "located at block") * BLOCK
        + u64::from_str_radix(offset, 16).unwrap()
}

fn first_block(image: &Image, file: &str) -> u64 {
    let said = image.debugfs(&format!("blocks {file}"));
    said.lines().last().unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

fn dir_block(image: &Image, dir: &str, logical: u64) -> u64 {
    image.debugfs(&format!("bmap {dir} {logical}")).trim().parse().unwrap()
}

fn flip(bytes: &mut [u8; 4]) {
    bytes[0] ^= 1;
}

#[test]
fn the_error_flag_is_refused() {
    let image = sound();
    image.debugfs_write("set_super_value state 3");
    let error = refused(&image, &["error flag", "e2fsck -fy"]);
    assert!(matches!(error, FsError::Corrupt { .. }));
    image.try_open(false).expect("reading tolerates it");
}

#[test]
fn a_journal_that_needs_recovery_is_refused() {
    let image = sound();
    image.debugfs_write("feature needs_recovery");
    let error = refused(&image, &["needs_recovery", "e2fsck -fy"]);
    assert!(matches!(error, FsError::Dirty { .. }));
    assert!(
        matches!(image.try_open(false), Err(FsError::Dirty { .. })),
        "what it holds is newer than what is read"
    );
}

#[test]
fn a_journal_with_transactions_that_the_superblock_does_not_mention_is_refused() {
    let image = sound();
    // `s_start` of the journal's superblock: not zero means that it is not empty.
    let journal = first_block(&image, "<8>") * BLOCK;
    image.patch(journal + 0x1C, |bytes| *bytes = 1_u32.to_be_bytes());
    let error = image.try_open(true).err().expect("it must be refused");
    assert!(matches!(error, FsError::Dirty { .. } | FsError::Corrupt { .. }), "{error}");
}

#[test]
fn a_journal_written_by_debugfs_is_refused() {
    let image = sound();
    image.debugfs_script(&["journal_open", "journal_write -b 5000 /dev/null", "journal_close"]);
    refused(&image, &["journal"]);
}

#[test]
fn orphans_are_refused() {
    let image = sound();
    image.debugfs_write("set_super_value last_orphan 20");
    assert!(matches!(refused(&image, &["inode 20", "orphan"]), FsError::Dirty { .. }));
    let image = Image::new(MIB, &["-O", "orphan_file"]);
    image.debugfs_write("feature orphan_present");
    assert!(matches!(refused(&image, &["orphan_present"]), FsError::Dirty { .. }));
}

#[test]
fn one_marked_as_mounted_is_refused() {
    let image = Image::new(MIB, &["-O", "^has_journal"]);
    image.debugfs_write("set_super_value state 0");
    assert!(matches!(refused(&image, &["mounted"]), FsError::Dirty { .. }));
}

#[test]
fn flipped_bits_in_bitmaps_with_checksums_are_refused() {
    for (key, words) in
        [("block bitmap at", "block bitmap of group 0"), ("inode bitmap at", "inode bitmap of group 0")]
    {
        for options in [&["-b", "4096"][..], &["-b", "4096", "-O", "^64bit"]] {
            let image = Image::new(MIB, options);
            let bitmap = number(&image, "stats", key) * BLOCK;
            image.patch(bitmap + 40, flip);
            refused(&image, &[words, "checksum"]);
            image.try_open(false).expect("reading needs no bitmaps");
        }
    }
}

#[test]
fn flipped_bits_in_bitmaps_without_checksums_are_refused() {
    let image = Image::new(MIB, &["-b", "4096", "-O", "^metadata_csum"]);
    let bitmap = number(&image, "stats", "block bitmap at") * BLOCK;
    // One block too many is free: the counts tell.
    image.patch(bitmap, flip);
    refused(&image, &["blocks are free, by its bitmap"]);
    image.patch(bitmap, flip);
    // A used block becomes free and a free one used: the counts agree, and only the owner tells.
    let used = first_block(&image, "/usr/bin/tool");
    let free = number(&image, "ffb 1", "Free blocks found:");
    image.debugfs_write(&format!("freeb {used} 1"));
    image.debugfs_write(&format!("setb {free} 1"));
    refused(&image, &[&format!("block {used} belongs to inode"), "free"]);
}

#[test]
fn a_block_with_two_owners_is_refused() {
    let image = Image::new(MIB, &["-b", "4096", "-O", "^metadata_csum"]);
    let inode = inode_at(&image, "/usr/bin/block");
    let stolen = u32::try_from(first_block(&image, "/etc/hard")).unwrap();
    // The low half of the first extent's place: `i_block` at 40, a header of 12, and 8 into the entry.
    image.patch(inode + 40 + 12 + 8, |bytes| *bytes = stolen.to_le_bytes());
    refused(&image, &[&format!("block {stolen} belongs to inode")]);
}

#[test]
fn flipped_bytes_elsewhere_are_refused() {
    let patched = |at: &dyn Fn(&Image) -> u64| {
        let image = sound();
        image.patch(at(&image), flip);
        image
    };
    refused(&patched(&|_| 1024 + 0x88), &["superblock", "checksum"]);
    refused(&patched(&|_| BLOCK + 0x0C), &["group descriptor", "checksum"]);
    refused(&patched(&|image| inode_at(image, "/etc/hostname") + 8), &["damaged"]);
    refused(&patched(&|image| inode_at(image, "/usr") + 8), &["damaged"]);
    let extents = |image: &Image| {
        let said = image.debugfs("dump_extents -n /usr/bin/sparse");
        let root =
            said.lines().find(|line| line.trim_start().starts_with("0/ 1")).expect("a tree of two levels");
        root.split_whitespace().nth(7).unwrap().parse::<u64>().unwrap() * BLOCK
    };
    refused(&patched(&|image| extents(image) + 12), &["extent", "checksum"]);
    let dir = patched(&|image| first_block(image, "/etc/systemd") * BLOCK + 1000);
    refused(&dir, &["damaged", "checksum"]);
    // The hash tree of a large directory: its root, a leaf, and a leaf whose checksum is gone.
    let many = |image: &Image, logical: u64| dir_block(image, "/var/lib/many", logical) * BLOCK;
    refused(&patched(&|image| many(image, 0) + 0x30), &["damaged", "checksum"]);
    refused(&patched(&|image| many(image, 1) + 200), &["damaged"]);
    refused(&patched(&|image| many(image, 2) + BLOCK - 8), &["damaged"]);
    // Extended attributes that have a block.
    let attributes = |image: &Image| number(image, "stat /usr/bin/block", "File ACL:") * BLOCK;
    refused(&patched(&|image| attributes(image) + 100), &["extended attributes", "checksum"]);
    // Reading opens it, but does not list the damaged directory; the crate's own listing would.
    let fs = dir.try_open(false).unwrap();
    assert!(matches!(fs.list(&path("/etc/systemd")), Err(FsError::Corrupt { .. })));
    assert!(fs.list(&path("/usr")).is_ok());
}

/// Without checksums, so that nothing else gives it away. Most of these were found by fuzzing.
#[test]
fn inodes_and_dirs_that_contradict_each_other_are_refused() {
    let broken = |commands: &[&str]| {
        let image = Image::new(MIB, &["-b", "4096", "-O", "^metadata_csum"]);
        image.debugfs_script(commands);
        image
    };
    for (commands, finding) in [
        // The counts of the group agree: one inode is freed that is used, another one is used that is free.
        (&["freei /etc/hostname 1", "seti <4000>"][..], "has links, but is free in its bitmap"),
        (&["unlink /etc/empty"], "has 1 links, 0 were found"),
        (&["sif /etc/hostname flags 0x80800"], "has the flags 0x80800"),
        (&["sif /etc/hostname extra_isize 6"], "impossible i_extra_isize of 6"),
        (&["ssv r_blocks_count 5000"], "impossible numbers"),
    ] {
        let image = broken(commands);
        refused(&image, &["damaged", finding]);
    }
    let dir = |name: &str, change: &dyn Fn(&Image, u64)| {
        let image = broken(&[]);
        let block: u64 = image.debugfs(&format!("bmap {name} 0")).trim().parse().unwrap();
        change(&image, block * BLOCK);
        image
    };
    // The hash from which the second leaf on holds names, behind the first pair.
    let astray = dir("/var/lib/many", &|image, block| {
        image.patch(block + 0x28, |hash| *hash = [0xfe, 0xff, 0xff, 0x7f])
    });
    refused(&astray, &["a name outside of the leaf of its hash"]);
    let levels = dir("/var/lib/many", &|image, block| image.patch(block + 0x1c, |info| info[2] = 9));
    refused(&levels, &["the root of a hash tree"]);
    // One empty entry that fills the block of the root: nothing is left that could contradict anything.
    let empty = [[0; 4], [0, 0x10, 0, 0]];
    let dot = dir("/", &|image, block| {
        (0..).step_by(4).zip(empty).for_each(|(at, new)| image.patch(block + at, |bytes| *bytes = new));
    });
    refused(&dot, &["`.` is missing"]);
}

#[test]
fn features_that_are_not_edited_are_refused() {
    for (options, name) in [
        (vec!["-O", "quota"], "quota"),
        (vec!["-O", "quota,project"], "project"),
        (vec!["-O", "verity"], "verity"),
        (vec!["-O", "encrypt"], "encrypt"),
        (vec!["-O", "casefold"], "casefold"),
        (vec!["-O", "inline_data"], "inline_data"),
        (vec!["-O", "ea_inode"], "ea_inode"),
        (vec!["-O", "mmp"], "mmp"),
        (vec!["-O", "meta_bg,^resize_inode"], "meta_bg"),
        (vec!["-O", "bigalloc"], "bigalloc"),
        (vec!["-O", "sparse_super2,^resize_inode"], "sparse_super2"),
        (vec!["-O", "fast_commit"], "fast_commit"),
        (vec!["-O", "stable_inodes"], "stable_inodes"),
        (vec!["-O", "^extent,^64bit"], "without extent"),
    ] {
        let image = Image::empty(MIB, &options);
        assert!(matches!(refused(&image, &[name]), FsError::Unsupported { .. }), "{name}");
    }
}

#[test]
fn unknown_features_are_refused() {
    for (word, name) in [(0x5C, "FEATURE_C24"), (0x60, "FEATURE_I24"), (0x64, "FEATURE_R24")] {
        let image = Image::empty(MIB, &["-O", "^metadata_csum"]);
        image.patch(1024 + word, |bytes| bytes[3] |= 1);
        assert!(matches!(refused(&image, &[name]), FsError::Unsupported { .. }));
        assert_eq!(image.try_open(false).is_ok(), word != 0x60, "only the middle one forbids reading");
    }
}

#[test]
fn a_truncated_image_is_refused() {
    let image = sound();
    for writable in [true, false] {
        let error = Ext4::open(image.truncated_window(), Ext4Options { now: 0, writable, replay: false })
            .err()
            .unwrap();
        let text = error.to_string();
        assert!(
            text.contains("has 32.0 MiB") && text.contains("only 16.0 MiB") && text.contains("truncated"),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_ext4_at_all() {
    let image = sound();
    image.patch(1024 + 0x38, |bytes| *bytes = [0; 4]);
    assert!(matches!(refused(&image, &["without an ext4 file system"]), FsError::Unsupported { .. }));
}

#[test]
fn reading_changes_no_byte_and_refuses_to_write() {
    let image = sound();
    let before = image.bytes();
    let fs = image.try_open(false).unwrap();
    assert_eq!(fs.label(), "root");
    assert_eq!(fs.uuid()[..2], [0xaa, 0xaa]);
    assert_eq!(fs.size_bytes(), MIB << 20);
    fs.read(&path("/etc/hostname"), 100).unwrap();
    for done in [
        fs.write(&path("/new"), &mut b"x".as_slice(), PLAIN).err(),
        fs.create_dirs(&path("/new"), PLAIN).err(),
        fs.symlink(&path("/new"), "x", PLAIN).err(),
        fs.remove(&path("/etc/hostname")).err(),
        fs.set_attributes(&path("/etc/hostname"), PLAIN).err(),
    ] {
        assert!(matches!(done, Some(FsError::Io { .. })), "{done:?}");
    }
    Box::new(fs).finish().unwrap();
    assert!(image.bytes() == before);
}

/// Without checksums only the names tell that a tree is wrong.
#[test]
fn a_wrong_hash_tree_is_refused() {
    let image = Image::new(MIB, &["-b", "4096", "-O", "^metadata_csum"]);
    let root = dir_block(&image, "/var/lib/many", 0) * BLOCK;
    // The first pair with a hash, behind limit, count and the first block; then the block that it leads to.
    for (at, change) in [(0x28, 0x4000_0000_u32), (0x2c, 1)] {
        image.patch(root + at, |bytes| *bytes = (u32::from_le_bytes(*bytes) ^ change).to_le_bytes());
        refused(&image, &["directory inode", "e2fsck -fy"]);
        image.patch(root + at, |bytes| *bytes = (u32::from_le_bytes(*bytes) ^ change).to_le_bytes());
    }
    image.try_open(true).unwrap();
}

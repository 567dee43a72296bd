//! Features × block sizes × sizes.

use super::super::read::read_table;
use super::*;
use crate::fs::ext4::layout::group_descriptor::{BLOCK_UNINIT, Descriptor, INODE_UNINIT};

/// Options of mke2fs. Each stands for a part of the format that growth must get right.
const FEATURES: &[&str] = &[
    "",
    "-O orphan_file,metadata_csum_seed",
    "-O ^64bit",
    "-O ^flex_bg",
    "-O ^64bit,^flex_bg,^metadata_csum,uninit_bg",
    "-O ^metadata_csum",
    "-O ^metadata_csum,uninit_bg",
    "-O ^metadata_csum,^64bit,^flex_bg,^extent",
    "-O ^resize_inode",
    "-O ^sparse_super,^resize_inode",
    "-I 128",
    "-O ^has_journal -G 4 -m 0",
    "-i 65536 -E desc_size=128",
];

/// A group in the matrix has 4096 blocks in all block sizes, so that many groups stay small.
const GROUP: u64 = 4096;

fn first(block_size: u32) -> u64 {
    u64::from(block_size == 1024)
}

fn make(block_size: u32, options: &str, blocks: u64) -> Image {
    // Fewer inodes with large blocks: e2fsck reads every table where no checksum says that it is unused.
    let inodes = if block_size == 4096 { "-i 32768" } else { "" };
    Image::make(block_size, &format!("-g {GROUP} {inodes} {options}"), blocks)
}

/// Sizes in blocks, rising: within the last group, a group's end, a rest too small for a group, many groups,
/// past the next descriptor block, one block more.
fn sizes(block_size: u32, options: &str) -> Vec<u64> {
    let first = first(block_size);
    let per_block = u64::from(block_size) / if options.contains("^64bit") { 32 } else { 64 };
    let mut sizes =
        vec![first + 2 * GROUP + 2500, first + 3 * GROUP, first + 3 * GROUP + 20, first + 10 * GROUP + 1800];
    if !options.contains("^resize_inode") {
        let past = first + (per_block + 2) * GROUP + 3000;
        sizes.extend([past, past + 1, past + 2 * per_block * GROUP]);
    }
    sizes
}

/// Every copy says what the first superblock says, and its descriptors are the first ones.
fn check_copies(image: &Image, grown: &Grown, sparse: bool) {
    let (want, size) = (image.facts(), grown.block_size);
    let copies: &[u32] = if sparse { &[1, 3, 5, 7, 9, 25, 27, 49, 81] } else { &[1, 2, 4, 8] };
    let descriptors = |group: u32| {
        let start = first(size) + u64::from(group) * GROUP + 1;
        let mut bytes = vec![0; grown.new_groups as usize * 32];
        image.open().read_exact_at(&mut bytes, start * u64::from(size)).unwrap();
        bytes
    };
    for &group in copies.iter().filter(|group| **group < grown.new_groups) {
        let (block, size) = (copy_block(size, group), format!("blocksize={size}"));
        let text = must("dumpe2fs", &["-h", "-o", &format!("superblock={block}"), "-o", &size, image.path()]);
        let copy = header_facts(text.lines());
        for name in ["Block count", "Inode count", "Reserved GDT blocks", "Free blocks", "Free inodes"] {
            assert_eq!(copy.get(name), want.get(name), "{name} of the copy in group {group}");
        }
        assert!(descriptors(group) == descriptors(0), "descriptors of the copy in group {group}");
    }
}

/// Changes the first copy of a group's descriptor in a file system with blocks of 1 KiB.
fn change_descriptor(image: &Image, group: u32, change: impl Fn(&mut Descriptor)) -> Descriptor {
    let (_, mut table) = read_table(&image.open()).unwrap();
    let mut descriptor = table.get(group).unwrap();
    change(&mut descriptor);
    table.set(group, descriptor).unwrap();
    image.open().write_all_at(&table.blocks(1024), 2 * 1024).unwrap();
    descriptor
}

fn copy_block(block_size: u32, group: u32) -> u64 {
    first(block_size) + u64::from(group) * GROUP
}

/// With the beginning of the file system gone, e2fsck fixes it from a copy in a new group and finds every file.
#[test]
fn e2fsck_fixes_it_from_a_copy() {
    for options in ["", "-O ^64bit,^flex_bg,^metadata_csum,uninit_bg", "-O ^metadata_csum"] {
        let image = make(1024, options, 1 + 2 * GROUP + 2000);
        image.grow(80_000, 1024).unwrap();
        image.open().write_all_at(&[0; 4 * 1024], 1024).unwrap();
        let block = copy_block(1024, 9).to_string();
        let (code, text) = run("e2fsck", &["-fy", "-b", &block, "-B", "1024", image.path()]);
        assert!(code <= 1, "{options}: {text}");
        image.check("fixed from a copy");
        image.check_files();
    }
}

/// Grows one image through all sizes; then others go on with it.
fn chain(block_size: u32, options: &str) {
    let image = make(block_size, options, first(block_size) + 2 * GROUP + 2000);
    let mut last = None;
    for blocks in sizes(block_size, options) {
        let grown = image.grow(blocks, block_size).unwrap();
        let when = format!("{options} {block_size} to {blocks}: {grown:?}");
        image.check(&when);
        assert_eq!(image.facts().get("Block count"), Some(&grown.new_blocks.to_string()), "{when}");
        assert!(grown.new_blocks == blocks || blocks - grown.new_blocks < GROUP, "{when}");
        last = Some(grown);
    }
    let grown = last.unwrap();
    check_copies(&image, &grown, !options.contains("^sparse_super"));
    image.check_files();
    image.fill(3 * GROUP, block_size);
    image.check("after debugfs has written into it");
    go_on_with_resize2fs(&image, &grown);
    let more = image.grow(grown.new_blocks + 5 * GROUP, block_size);
    if let Ok(more) = more {
        image.check(&format!("{options} after resize2fs and growing again: {more:?}"));
    }
    image.check_files();
}

fn go_on_with_resize2fs(image: &Image, grown: &Grown) {
    must("resize2fs", &["-P", image.path()]);
    let blocks = grown.new_blocks + 3 * GROUP;
    image.lengthen(blocks * u64::from(grown.block_size));
    must("resize2fs", &["-f", image.path(), &blocks.to_string()]);
    image.check("after resize2fs has grown it further");
}

#[test]
fn blocks_of_1_kib() {
    FEATURES.iter().for_each(|options| chain(1024, options));
}

#[test]
fn blocks_of_2_kib() {
    FEATURES.iter().for_each(|options| chain(2048, options));
}

#[test]
fn blocks_of_4_kib() {
    FEATURES.iter().for_each(|options| chain(4096, options));
}

/// The same start grown by resize2fs and by us gives the same numbers.
#[test]
fn agrees_with_resize2fs() {
    for (options, block_size) in FEATURES.iter().zip([1024, 4096, 2048].into_iter().cycle()) {
        for blocks in sizes(block_size, options) {
            let image = make(block_size, options, first(block_size) + 2 * GROUP + 2000);
            image.lengthen(blocks * u64::from(block_size));
            let other = image.copy("other.img");
            must("resize2fs", &["-f", &other, &blocks.to_string()]);
            image.grow(blocks, block_size).unwrap();
            image.check(&format!("{options} {block_size} {blocks}"));
            let (ours, theirs) = (image.facts(), facts(&other));
            for name in
                ["Block count", "Inode count", "Free blocks", "Free inodes", "Groups", "Reserved GDT blocks"]
            {
                assert_eq!(ours.get(name), theirs.get(name), "{name}: {options} {block_size} {blocks}");
            }
            let reserved = |facts: &Facts| facts["Reserved block count"].parse::<i64>().unwrap();
            assert!((reserved(&ours) - reserved(&theirs)).abs() <= 1, "rounding of the reserved blocks");
        }
    }
}

/// What an earlier life of the partition has left behind the old file system does not come to life again.
#[test]
fn stale_bytes_behind_the_file_system_are_cleared() {
    for options in ["", "-O ^metadata_csum"] {
        let image = make(1024, options, 1 + 2 * GROUP);
        let size = fs::metadata(&image.path).unwrap().len();
        let stale = vec![0xa5; 8 * 4096 * 1024];
        let end = size + stale.len() as u64;
        image.lengthen(end);
        image.open().write_all_at(&stale, size).unwrap();
        let grown = image.grow(end / 1024, 1024).unwrap();
        assert_eq!(grown.new_blocks, end / 1024);
        image.check(options);
        // With the marks of unused inodes taken away, every inode in the tables is looked at.
        let group = change_descriptor(&image, 4, |group| {
            group.flags &= !INODE_UNINIT;
            group.unused_inodes = 0;
        });
        assert!(group.inode_table > size / 1024);
        image.check("with the inodes of a new group marked as initialised");
    }
}

/// A last group whose bitmap was never written gets a right one, whatever lies in its place.
#[test]
fn a_last_group_that_was_never_written_is_lengthened() {
    for options in ["", "-O ^flex_bg", "-O ^metadata_csum,uninit_bg,^flex_bg"] {
        // Three groups more than the files and the journal need; the last one, number 5, holds a copy.
        let image = make(1024, options, 1 + 5 * GROUP + 2000);
        let last = change_descriptor(&image, 5, |last| {
            last.flags |= BLOCK_UNINIT;
            last.block_bitmap_sum = 0;
        });
        image.open().write_all_at(&[0x99; 1024], last.block_bitmap * 1024).unwrap();
        image.grow(1 + 9 * GROUP, 1024).unwrap();
        image.check(options);
        image.check_files();
    }
}

/// The same image grown twice gives the same bytes.
#[test]
fn the_same_growth_gives_the_same_bytes() {
    let image = make(1024, "", 1 + 2 * GROUP + 2000);
    let other = image.copy("other.img");
    image.grow(50_000, 1024).unwrap();
    let grown = image.copy("grown.img");
    fs::rename(other, &image.path).unwrap();
    image.grow(50_000, 1024).unwrap();
    must("cmp", &[image.path(), &grown]);
}

/// Real group sizes, up to the very end of the reserve, where no reserved block is left.
#[test]
fn it_grows_to_the_end_of_the_reserve() {
    for options in ["-E resize=400000", "-E resize=400000 -O ^64bit", "-O ^resize_inode"] {
        let image = Image::make(1024, options, 20_000);
        let limit = super::super::limit(&image.open()).unwrap();
        let grown = image.grow(limit.0 / 1024, 1024).unwrap();
        assert_eq!(grown.new_blocks * 1024, limit.0);
        assert!(grown.new_groups.is_multiple_of(16), "{grown:?}");
        let reserve = image.facts().get("Reserved GDT blocks").cloned().unwrap_or_default();
        assert!(matches!(reserve.as_str(), "" | "0"), "{options}: {reserve}");
        image.check(options);
        image.check_files();
    }
}

/// Growing an SD card's root to 4 GiB writes little, and the image stays sparse.
#[cfg(unix)]
#[test]
fn the_image_stays_sparse() {
    use std::os::unix::fs::MetadataExt;
    let image = Image::make(4096, "", (1 << 30) / 4096);
    let used = || fs::metadata(&image.path).unwrap().blocks() * 512;
    let before = used();
    let grown = image.grow((4 << 30) / 4096, 4096).unwrap();
    image.check("4 GiB");
    assert!(grown.written < 3 << 20, "{grown:?}");
    assert!(used() - before < 3 << 20, "{} bytes more", used() - before);
}

/// The answer of `size_for` is enough, and one block less is not.
#[test]
fn size_for_is_the_smallest_size_that_is_enough() {
    use crate::fs::Space;
    let free = |image: &Image| {
        let facts = image.facts();
        let number = |name: &str| facts[name].parse::<u64>().unwrap();
        (number("Free blocks"), number("Free inodes"))
    };
    for (blocks, inodes) in [(10, 1), (2500, 1), (9000, 1), (30_000, 1), (100, 3000)] {
        let image = make(1024, "", 1 + GROUP + 3000);
        let wanted = Space { bytes: blocks * 1024, inodes };
        let size = super::super::size_for(&image.open(), wanted).unwrap().0 / 1024;
        let smaller = image.copy("smaller.img");
        image.grow(size, 1024).unwrap();
        let now = free(&image);
        assert!(now.0 >= blocks && now.1 >= inodes, "{size}: {now:?} for {blocks}, {inodes}");
        image.check("grown to hold a plan");
        if size > 1 + GROUP + 3000 {
            fs::rename(smaller, &image.path).unwrap();
            image.grow(size - 1, 1024).unwrap();
            let now = free(&image);
            assert!(now.0 < blocks || now.1 < inodes, "{}: {now:?} is enough already", size - 1);
        }
    }
}

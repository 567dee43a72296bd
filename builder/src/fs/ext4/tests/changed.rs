//! The list of changes, held against the bytes before and after.

use std::collections::BTreeSet;

use super::image::{DIR, Image, OFFSET, PLAIN, many, noise, path};
use crate::fs::{FileSystem, Source};

/// Blocks and inodes that differ, found by comparing all bytes; the tables of inodes are where dumpe2fs says.
fn differing(image: &Image, before: &[u8], block: usize, inode: usize) -> (BTreeSet<u64>, BTreeSet<u32>) {
    let after = image.bytes();
    let part = |bytes: &[u8], at: usize, len: usize| bytes[OFFSET as usize + at..][..len].to_vec();
    let end = after.len() - OFFSET as usize - (1 << 20);
    let differs = |at: usize, len: usize| part(before, at, len) != part(&after, at, len);
    let blocks = (0..end / block).filter(|number| differs(number * block, block)).map(|number| number as u64);
    let said = image.dumpe2fs();
    let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap();
    let per_group = value(said.lines().find(|line| line.starts_with("Inodes per group:")).unwrap());
    let tables = said.lines().filter_map(|line| line.trim().strip_prefix("Inode table at "));
    let tables = tables.map(|rest| rest.split('-').next().unwrap().parse::<usize>().unwrap());
    let mut inodes = BTreeSet::new();
    for (group, table) in (0_u32..).zip(tables) {
        let changed = (0..per_group).filter(|index| differs(table * block + *index as usize * inode, inode));
        inodes.extend(changed.map(|index| group * per_group + index + 1));
    }
    (blocks.collect(), inodes)
}

#[test]
fn the_list_has_exactly_what_differs() {
    for (options, block, inode) in [
        (&["-b", "4096"][..], 4096, 256),
        (&["-b", "1024", "-I", "128", "-O", "^64bit,^flex_bg,^metadata_csum,uninit_bg"], 1024, 128),
        (&["-b", "2048"], 2048, 256),
    ] {
        let image = Image::new(40, options);
        let before = image.bytes();
        let fs = image.open();
        fs.create_dirs(&path("/opt/a/b"), DIR).unwrap();
        for (number, size) in [(0, 0), (1, 1), (2, 5000), (3, 3 << 20)] {
            let content = noise(size, number);
            let mut reader = content.as_slice();
            fs.write(&path(&format!("/opt/a/{number}")), &mut Source::streamed(&mut reader), PLAIN).unwrap();
        }
        fs.append(&path("/usr/bin/tool"), &mut Source::streamed(&mut noise(9000, 5).as_slice())).unwrap();
        fs.symlink(&path("/opt/link"), &"l".repeat(300), PLAIN).unwrap();
        fs.remove(&path(&many(3))).unwrap();
        fs.set_xattr(&path("/etc/empty"), "user.some", &[7; 600]).unwrap();
        let changes = fs.finish_with_changes().unwrap();
        image.assert_clean();
        let (blocks, inodes) = differing(&image, &before, block, inode);
        assert_eq!(changes.inodes, inodes.into_iter().collect::<Vec<_>>(), "{options:?}");
        let listed: BTreeSet<u64> = changes.blocks.iter().flat_map(Clone::clone).collect();
        assert!(listed.is_superset(&blocks), "{:?}", blocks.difference(&listed));
        // Content that was written over equal content is the only thing that may be listed for nothing.
        assert!(listed.len() <= blocks.len() + 2, "{:?}", listed.difference(&blocks));
        assert!(changes.blocks.is_sorted_by(|a, b| a.end < b.start), "sorted and merged");
    }
}

#[test]
fn without_edits_nothing_is_listed() {
    let image = Image::new(32, &[]);
    let changes = image.open().finish_with_changes().unwrap();
    assert!(changes.blocks.is_empty() && changes.inodes.is_empty());
    // Changed and changed back.
    let fs = image.open();
    fs.set_mode(&path("/etc/hostname"), 0o600).unwrap();
    let old = fs.metadata(&path("/etc/hostname")).unwrap().unwrap();
    assert_eq!(old.mode, 0o600);
    let changes = fs.finish_with_changes().unwrap();
    assert_eq!(changes.inodes, [old.inode]);
    assert_eq!(
        changes.bytes().map(|range| range.end - range.start).sum::<u64>(),
        u64::from(changes.block_size)
    );
}

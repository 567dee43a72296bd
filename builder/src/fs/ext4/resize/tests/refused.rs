//! What is refused is refused by its name, before the first write; and nothing outside is touched.

use super::super::plan::plan;
use super::super::read::read_old;
use super::super::write::Content;
use super::*;
use crate::disk::ByteOffset;
use crate::fs::FsError;

/// Grows a copy of the image, which must fail and leave every byte as it is.
fn refusal(image: &Image, blocks: u64) -> FsError {
    image.lengthen(blocks * 1024);
    let before = image.copy("before.img");
    let error = image.grow(blocks, 1024).unwrap_err();
    must("cmp", &[image.path(), &before]);
    error
}

#[test]
fn unknown_features_and_unclean_states_are_refused() {
    let cases = [
        ("-O bigalloc", "", "bigalloc"),
        ("-O ^resize_inode,meta_bg", "", "meta_bg"),
        ("-O ^resize_inode,sparse_super2", "", "sparse_super2"),
        ("-O mmp", "", "mmp"),
        ("", "set_super_value state 3", "marked as having errors"),
        ("", "set_super_value state 0", "not marked clean"),
        ("", "set_super_value last_orphan 12", "deleted files are not yet freed"),
        ("", "feature needs_recovery", "journal holds changes"),
        ("-O orphan_file", "feature orphan_present", "deleted files are not yet freed"),
        ("", "set_super_value blocks_per_group 8200", "blocks per group 8200"),
        ("", "set_super_value inodes_count 77", "do not match 77 inodes"),
        ("", "set_bg 2 checksum 1", "the descriptor of group 2 has a wrong checksum"),
        ("", "set_inode_field <7> checksum 1", "the resize inode has a wrong checksum"),
        ("-O ^metadata_csum", "set_inode_field <7> blocks 2", "the resize inode has a wrong size"),
    ];
    for (options, spoil, message) in cases {
        let image = Image::make(1024, options, 20_000);
        if !spoil.is_empty() {
            must("debugfs", &["-w", "-R", spoil, image.path()]);
        }
        let error = refusal(&image, 60_000).to_string();
        assert!(error.contains(message), "{options} {spoil}: {error}");
    }
}

#[test]
fn a_flipped_bit_in_the_last_bitmap_is_refused() {
    for (options, message) in [("", "wrong checksum"), ("-O ^metadata_csum", "count of free blocks")] {
        let image = Image::make(1024, options, 20_000);
        let old = read_old(&image.open()).unwrap();
        let block = old.table.get(2).unwrap().block_bitmap;
        let mut byte = [0];
        image.open().read_exact_at(&mut byte, block * 1024 + 400).unwrap();
        image.open().write_all_at(&[byte[0] ^ 1], block * 1024 + 400).unwrap();
        let error = refusal(&image, 60_000).to_string();
        assert!(error.contains("the block bitmap of group 2") && error.contains(message), "{error}");
    }
}

#[test]
fn growth_beyond_the_reserve_is_refused() {
    let image = Image::make(1024, "-E resize=400000", 20_000);
    let limit = super::super::limit(&image.open()).unwrap();
    let error = refusal(&image, limit.0 / 1024 + 5000);
    assert!(matches!(error, FsError::Unsupported { .. }));
    let text = error.to_string();
    assert!(text.contains(&format!("({} bytes:", limit.0)) && text.contains("mke2fs -E resize="), "{text}");
}

#[test]
fn shrinking_and_growing_beyond_the_window_are_refused() {
    let image = Image::make(1024, "", 20_000);
    let error = refusal(&image, 19_999).to_string();
    assert!(error.starts_with("shrinking ext4 from 20480000 to 20478976 bytes"), "{error}");
    let error = grow(&image.open(), ByteSize(1 << 30)).unwrap_err().to_string();
    assert!(error.contains("in a partition of 20480000"), "{error}");
    let grown = grow(&image.open(), ByteSize(20_480_000)).unwrap();
    assert_eq!((grown.written, grown.new_blocks), (0, 20_000));
}

#[test]
fn a_truncated_image_and_a_missing_file_system_are_refused() {
    let image = Image::make(1024, "", 20_000);
    let file = OpenOptions::new().write(true).open(&image.path).unwrap();
    file.set_len(10_000 * 1024).unwrap();
    let error = refusal(&image, 10_000).to_string();
    assert!(error.contains("the image is truncated"), "{error}");
    file.set_len(0).unwrap();
    assert!(matches!(refusal(&image, 0), FsError::Io { .. }));
    assert!(refusal(&image, 4).to_string().contains("no ext4 superblock"));
}

#[test]
fn nothing_outside_the_window_changes() {
    const BEFORE: u64 = 1 << 20;
    const SIZE: u64 = 60_000 * 1024;
    let image = Image::make(1024, "", 20_000);
    let mut disk = vec![0x5e; usize::try_from(BEFORE).unwrap()];
    disk.extend(fs::read(&image.path).unwrap());
    disk.resize(usize::try_from(BEFORE + SIZE).unwrap(), 0x77);
    disk.extend(vec![0x5e; 1 << 20]);
    let path = image.dir.path().join("disk.img");
    fs::write(&path, &disk).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let window = Window::new(Arc::new(file), ByteOffset(BEFORE), ByteSize(SIZE)).unwrap();
    grow(&window, ByteSize(SIZE)).unwrap();
    let after = fs::read(&path).unwrap();
    assert_eq!(after.len(), disk.len());
    let (start, end) = (usize::try_from(BEFORE).unwrap(), usize::try_from(BEFORE + SIZE).unwrap());
    assert!(after[..start].iter().chain(&after[end..]).all(|byte| *byte == 0x5e));
    e2fsck(&format!("{}?offset={BEFORE}", path.display()), "in the middle of a disk");
}

/// Stopped after any write, either the old file system is untouched or e2fsck fixes it and keeps every file.
#[test]
fn interrupted_growth_leaves_a_fixable_file_system() {
    let image = Image::make(1024, "-g 4096", 1 + 2 * 4096 + 2000);
    let old_end = fs::metadata(&image.path).unwrap().len();
    image.lengthen(20 * 4096 * 1024);
    let untouched = image.copy("untouched.img");
    let whole = plan(&read_old(&image.open()).unwrap(), 20 * 4096).unwrap().unwrap();
    let outside = whole.writes.iter().take_while(|write| write.at >= old_end).count();
    assert!(outside >= 17 * 3, "the new groups come first");
    for stop in outside..whole.writes.len() {
        // Most of what follows are hundreds of alike indirect blocks: every fortieth, and the end.
        if !stop.is_multiple_of(40) && whole.writes.len() - stop > 6 {
            continue;
        }
        must("cp", &["--sparse=always", &untouched, image.path()]);
        for write in &whole.writes[..stop] {
            if let Content::Bytes(bytes) = &write.content {
                image.open().write_all_at(bytes, write.at).unwrap();
            }
        }
        let (code, text) = run("e2fsck", &["-fy", image.path()]);
        assert!(code <= 1, "stopped before write {stop}: {text}");
        image.check(&format!("fixed after stopping before write {stop}"));
        image.check_files();
    }
}

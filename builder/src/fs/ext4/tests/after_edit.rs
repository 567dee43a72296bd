//! The check after an edit finds what an edit of ours would never do.

use super::image::{DIR, Image, PLAIN, path};
use crate::fs::FileSystem;
use crate::fs::ext4::Ext4;
use crate::fs::ext4::layout::inode::ROOT;

/// Edits a bit, does something wrong, and returns what the check says.
fn said(wrong: impl FnOnce(&Ext4)) -> String {
    let image = Image::new(32, &["-b", "4096"]);
    let fs = image.open();
    fs.create_dirs(&path("/new/deep"), DIR).unwrap();
    fs.write(&path("/new/file"), &mut &[7; 9000][..], PLAIN).unwrap();
    wrong(&fs);
    let error = Box::new(fs).finish().unwrap_err().to_string();
    assert!(error.contains("after editing: ") && error.contains("a bug in hcimage"), "{error}");
    error
}

fn number(fs: &Ext4, file: &str) -> u32 {
    fs.metadata(&path(file)).unwrap().unwrap().inode
}

/// The first block of a file.
fn block(fs: &Ext4, file: &str) -> u64 {
    let inode = fs.volume.inode(number(fs, file)).unwrap();
    fs.volume.map(&inode, 0).unwrap().unwrap()
}

#[test]
fn data_over_a_file_that_did_not_change_is_found() {
    let found = said(|fs| {
        let at = fs.volume.place(block(fs, "/usr/bin/tool")).unwrap();
        fs.volume.device.write_through(at, b"not its content").unwrap();
    });
    assert!(found.contains("was written, but belongs to nothing that changed"), "{found}");
}

#[test]
fn links_that_do_not_fit_the_names_are_found() {
    for file in ["/etc/hard", "/new/file", "/new"] {
        let found = said(|fs| {
            let mut inode = fs.volume.inode(number(fs, file)).unwrap();
            inode.add_link(1);
            fs.volume.put_inode(&mut inode).unwrap();
        });
        assert!(found.contains("links and"), "{file}: {found}");
    }
}

#[test]
fn blocks_with_two_owners_and_free_ones_in_use_are_found() {
    let found = said(|fs| {
        let mut inode = fs.volume.inode(number(fs, "/new/file")).unwrap();
        let other = fs.volume.inode(number(fs, "/usr/bin/block")).unwrap();
        inode.set_block(&other.block());
        fs.volume.put_inode(&mut inode).unwrap();
    });
    assert!(found.contains("and to another owner"), "{found}");
    let found = said(|fs| {
        let run = crate::fs::ext4::layout::extent_node::Run { start: block(fs, "/new/file"), len: 1 };
        fs.volume.free_blocks(run).unwrap();
    });
    assert!(found.contains("but is free in its bitmap"), "{found}");
}

#[test]
fn names_without_an_inode_and_directories_out_of_place_are_found() {
    let found = said(|fs| {
        let mut inode = fs.volume.inode(number(fs, "/new/file")).unwrap();
        fs.volume.release(&mut inode).unwrap();
    });
    assert!(found.contains("with the wrong kind") || found.contains("links and"), "{found}");
    let found = said(|fs| {
        let deep = fs.volume.dir(number(fs, "/new/deep")).unwrap();
        fs.volume.set_parent(&deep, ROOT).unwrap();
    });
    assert!(found.contains("`..`") || found.contains("links and"), "{found}");
}

#[test]
fn a_wrong_count_is_found() {
    let found = said(|fs| fs.volume.count_free(5, 0).unwrap());
    assert!(found.contains("the superblock says that"), "{found}");
    let found = said(|fs| {
        let mut group = fs.volume.group(0).unwrap();
        group.add(3, 0, 0);
        fs.volume.put_group(&mut group).unwrap();
        fs.volume.count_free(3, 0).unwrap();
    });
    assert!(found.contains("blocks are free, by its bitmap"), "{found}");
}

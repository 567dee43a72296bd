//! The same edits over every kind of ext4 that a base may bring.

use super::image::{DIR, Image, MANY, PLAIN, Tree, many, noise, path};
use crate::fs::{Attributes, FileSystem, Kind};

/// Does a bit of everything, and updates `tree` to what is expected.
fn edits(fs: &dyn FileSystem, tree: &mut Tree) {
    let file = |bytes: &[u8]| [b"f ", bytes].concat();
    // New directories, through a link in the middle.
    fs.create_dirs(&path("/lib/systemd/system/deep/er"), DIR).unwrap();
    for dir in ["systemd", "systemd/system", "systemd/system/deep", "systemd/system/deep/er"] {
        tree.insert(format!("/usr/lib/{dir}"), b"d".to_vec());
    }
    // New files: empty, one byte, whole blocks, several pieces.
    for (name, len) in [("empty", 0), ("one", 1), ("block", 4096), ("pieces", (9 << 20) + 5)] {
        let content = noise(len, len as u32 + 3);
        let count = fs.write(&path(&format!("/lib/systemd/{name}")), &mut content.as_slice(), PLAIN).unwrap();
        assert_eq!(count, len as u64);
        tree.insert(format!("/usr/lib/systemd/{name}"), file(&content));
    }
    // Replacing: longer, shorter, a name of two, one with attributes in a block, a link by a file.
    for (name, len) in [
        ("/etc/hostname", 70_000),
        ("/usr/bin/tool", 3),
        ("/etc/hard", 10),
        ("/usr/bin/block", 9),
        ("/etc/os-release", 7),
    ] {
        let content = noise(len, 77);
        fs.write(&path(name), &mut content.as_slice(), PLAIN).unwrap();
        tree.insert(name.to_owned(), file(&content));
    }
    // Owners above 65535, all permission bits.
    let owned = Attributes { mode: 0o6751, uid: 70_000, gid: 300_000, mtime: 2_000_000_000 };
    fs.write(&path("/etc/owned"), &mut b"mine".as_slice(), owned).unwrap();
    tree.insert("/etc/owned".into(), file(b"mine"));
    fs.set_attributes(&path("/etc/systemd"), Attributes { mode: 0o1700, uid: 5, gid: 6, mtime: 7 }).unwrap();
    // Links: short, at the boundary, long; over a file and over a link.
    for (name, target) in [
        ("/etc/short", "target".to_owned()),
        ("/etc/59", "x".repeat(59)),
        ("/etc/60", "y".repeat(60)),
        ("/etc/900", "z/".repeat(450)),
        ("/etc/empty", "/dev/null".to_owned()),
        ("/etc/escape", "/run".to_owned()),
    ] {
        fs.symlink(&path(name), &target, owned).unwrap();
        assert_eq!(fs.read_link(&path(name)).unwrap(), target);
        tree.insert(name.to_owned(), format!("l {target}").into_bytes());
    }
    // Removing: a file of the hash tree, a long link; and many new names in the hash tree and in a new directory.
    for name in [many(5).as_str(), "/etc/long-link"] {
        fs.remove(&path(name)).unwrap();
        tree.remove(name).unwrap();
    }
    fs.create_dirs(&path("/var/lib/new"), DIR).unwrap();
    tree.insert("/var/lib/new".into(), b"d".to_vec());
    for number in 0..150 {
        for dir in ["/var/lib/many", "/var/lib/new"] {
            let name = format!("{dir}/new-{number}-{}", "n".repeat(100));
            fs.write(&path(&name), &mut b"new".as_slice(), PLAIN).unwrap();
            tree.insert(name, file(b"new"));
        }
    }
}

/// Edits an image, and compares every file with what it was or should be.
fn judge(mib: u64, options: &[&str]) {
    let image = Image::new(mib, options);
    let mut tree = image.tree();
    assert!(tree.len() > MANY, "the fixture is populated");
    image.edit(|fs| {
        edits(fs, &mut tree);
        // Our own reading agrees before anything is closed.
        for (name, want) in &tree {
            match want[0] {
                b'f' => assert!(fs.read(&path(name), 16 << 20).unwrap() == want[2..], "{name}"),
                b'd' => assert_eq!(fs.stat(&path(name)).unwrap().unwrap().kind, Kind::Dir),
                _ => assert_eq!(fs.read_link(&path(name)).unwrap().as_bytes(), &want[2..]),
            }
        }
        assert_eq!(fs.list(&path("/var/lib/many")).unwrap().len(), MANY - 3 + 150);
    });
    assert_same(&image.tree(), &tree);
    // What ext4-view cannot read.
    if !options.iter().any(|option| ["128", "large_dir"].contains(option)) {
        assert_same(&image.tree_by_view(), &tree);
    }
    for (file, want) in [
        ("/usr/lib/systemd", "0755 0:0 links 3 mtime 1700000000"),
        ("/usr/lib/systemd/one", "0644 0:0 links 1 mtime 1600000000"),
        ("/etc/owned", "06751 70000:300000 links 1 mtime 2000000000"),
        ("/etc/systemd", "01700 5:6 links 3 mtime 7"),
        ("/etc/900", "0777 70000:300000 links 1 mtime 2000000000"),
        ("/etc/hard", "0644 0:0 links 1 mtime 1600000000"),
    ] {
        assert_eq!(image.stat(file), want, "{file}");
    }
    assert!(image.stat("/usr/bin/hard-too").contains("links 1"), "the other name stays, alone");
    assert!(image.debugfs("ea_list /usr/bin/block").lines().all(|line| !line.contains("user.large")));
}

#[track_caller]
fn assert_same(got: &Tree, want: &Tree) {
    let names = |tree: &Tree| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(got), names(want));
    for (name, want) in want {
        assert!(got[name] == *want, "{name} differs: {} bytes against {}", got[name].len(), want.len());
    }
}

macro_rules! matrix {
    ($($name:ident: $mib:literal $($option:literal)*;)*) => {$(
        #[test]
        fn $name() {
            judge($mib, &[$($option),*]);
        }
    )*};
}

matrix! {
    the_defaults: 300;
    mke2fs_1_47_with_orphan_file_and_csum_seed: 300 "-O" "orphan_file,metadata_csum_seed";
    raspberry_pi_os: 300 "-O" "^64bit,^huge_file";
    without_metadata_csum: 300 "-O" "^metadata_csum";
    uninit_bg: 300 "-O" "^metadata_csum,uninit_bg";
    uninit_bg_without_flex_bg: 300 "-O" "^metadata_csum,uninit_bg,^flex_bg";
    uninit_bg_with_32_byte_descriptors: 300 "-O" "^metadata_csum,uninit_bg,^64bit";
    without_flex_bg: 300 "-O" "^flex_bg";
    blocks_of_1_kib: 80 "-b" "1024";
    blocks_of_2_kib: 80 "-b" "2048";
    blocks_of_2_kib_without_metadata_csum: 80 "-b" "2048" "-O" "^metadata_csum";
    large_dir: 80 "-O" "large_dir";
    blocks_of_1_kib_with_uninit_bg: 80 "-b" "1024" "-O" "^metadata_csum,uninit_bg,^flex_bg,^64bit";
    inodes_of_128_bytes: 80 "-I" "128";
    without_journal: 80 "-O" "^has_journal";
    without_resize_inode: 80 "-O" "^resize_inode";
    few_features: 80 "-O" "^dir_index,^dir_nlink,^extra_isize,^huge_file,^64bit,^metadata_csum,^resize_inode";
}

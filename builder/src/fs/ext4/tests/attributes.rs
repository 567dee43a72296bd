//! Extended attributes and access control lists: where they are kept, and what there cannot be.

use super::image::{DIR, Image, PLAIN, noise, path};
use crate::fs::ext4::Ext4;
use crate::fs::{FileSystem, FsError};

const ACL: &str = "system.posix_acl_access";

fn image() -> Image {
    Image::new(32, &["-b", "4096"])
}

fn set(fs: &Ext4, at: &str, name: &str, value: &[u8]) -> crate::fs::Result<()> {
    fs.set_xattr(&path(at), name, value)
}

fn get(fs: &Ext4, at: &str, name: &str) -> Option<Vec<u8>> {
    fs.xattr(&path(at), name).unwrap()
}

/// The block of attributes, 0 if there is none.
fn block(image: &Image, at: &str) -> u64 {
    let said = image.debugfs(&format!("stat {at}"));
    let (_, rest) = said.split_once("File ACL: ").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0];
    for (tag, bits, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[test]
fn values_move_between_inode_and_block() {
    let image = image();
    let at = "/etc/hard";
    image.edit(|fs| {
        set(fs, at, "user.a", b"small").unwrap();
        set(fs, at, "user.empty", b"").unwrap();
    });
    assert_eq!(block(&image, at), 0);
    image.edit(|fs| {
        set(fs, at, "user.a", &noise(3000, 1)).unwrap();
        set(fs, at, &format!("trusted.{}", "n".repeat(255)), b"longest name").unwrap();
    });
    assert_ne!(block(&image, at), 0);
    image.edit(|fs| {
        assert_eq!(get(fs, at, "user.a").unwrap(), noise(3000, 1));
        assert_eq!(get(fs, at, "user.empty").unwrap(), b"");
        assert_eq!(fs.xattr_names(&path(at)).unwrap().len(), 3);
        set(fs, at, "user.a", b"small again").unwrap();
        fs.remove_xattr(&path(at), &format!("trusted.{}", "n".repeat(255))).unwrap();
        assert_eq!(fs.xattr_names(&path(at)).unwrap(), ["user.a", "user.empty"]);
    });
    assert_eq!(block(&image, at), 0, "a block with nothing in it is given back");
}

#[test]
fn what_does_not_fit_leaves_the_old_value() {
    let image = image();
    let at = "/etc/hard";
    image.edit(|fs| {
        set(fs, at, "user.a", &noise(2000, 1)).unwrap();
        let space = fs.space().unwrap();
        for (name, size) in [("user.a", 5000), ("user.b", 3000), ("user.b", 100_000)] {
            let error = set(fs, at, name, &noise(size, 2)).unwrap_err();
            assert!(
                matches!(&error, FsError::BadPath { problem, .. } if problem.contains("does not fit")),
                "{error:?}"
            );
        }
        assert_eq!(get(fs, at, "user.a").unwrap(), noise(2000, 1));
        assert_eq!(get(fs, at, "user.b"), None);
        assert_eq!(fs.space().unwrap(), space);
    });
}

#[test]
fn without_a_free_block_it_is_no_space() {
    let image = Image::new(8, &["-b", "1024", "-O", "^has_journal"]);
    image.edit(|fs| {
        fs.write(&path("/filler"), &mut &b""[..], PLAIN).unwrap();
        let mut number: usize = 1 << 20;
        while number > 0 {
            let bytes = vec![1; number];
            if fs.append(&path("/filler"), &mut crate::fs::Source::streamed(&mut bytes.as_slice())).is_err() {
                number /= 2;
            }
        }
        assert_eq!(fs.space().unwrap().bytes, 0);
        let error = set(fs, "/etc/hard", "user.a", &noise(500, 1)).unwrap_err();
        assert!(matches!(error, FsError::NoSpace { free: 0, .. }), "{error:?}");
        set(fs, "/etc/hard", "user.a", b"in the inode").unwrap();
    });
}

#[test]
fn invalid_names_and_values_are_refused() {
    let image = image();
    image.edit(|fs| {
        let too_long = format!("user.{}", "n".repeat(256));
        for (at, name, words) in [
            ("/etc/hard", "user.", "after its prefix"),
            ("/etc/hard", "hidden", "does not begin with user."),
            ("/etc/hard", "system.other", "does not begin with user."),
            ("/etc/hard", "user.a\0b", "NUL"),
            ("/etc/hard", &too_long, "255"),
            ("/etc/os-release", "user.a", "files and directories"),
            ("/run/fifo", "user.a", "files and directories"),
            ("/etc/hard", "system.posix_acl_default", "directories"),
            ("/etc/os-release", ACL, "symbolic links"),
            ("/etc/hard", ACL, "invalid value"),
        ] {
            let error = set(fs, at, name, b"x").unwrap_err();
            assert!(
                matches!(&error, FsError::BadPath { problem, .. } if problem.contains(words)),
                "{error:?}"
            );
        }
        set(fs, "/etc/os-release", "security.a", b"on a link").unwrap();
        set(fs, "/run/fifo", "trusted.a", b"on a FIFO").unwrap();
        let missing = fs.remove_xattr(&path("/etc/hard"), "user.none");
        assert!(matches!(missing, Err(FsError::NotFound { .. })));
        assert_eq!(get(fs, "/etc/hard", "user.none"), None);
    });
}

#[test]
fn access_control_lists_and_permissions_go_together() {
    let image = image();
    let full = acl(&[(1, 7, !0), (2, 6, 70_000), (4, 5, !0), (8, 1, 9), (16, 4, !0), (32, 0, !0)]);
    let minimal = acl(&[(1, 6, !0), (4, 4, !0), (32, 0, !0)]);
    image.edit(|fs| {
        let at = path("/usr/bin/tool");
        set(fs, "/usr/bin/tool", ACL, &full).unwrap();
        assert_eq!(fs.stat(&at).unwrap().unwrap().attributes.mode, 0o4740);
        assert_eq!(get(fs, "/usr/bin/tool", ACL).unwrap(), full);
        fs.set_mode(&at, 0o611).unwrap();
        let followed = acl(&[(1, 6, !0), (2, 6, 70_000), (4, 5, !0), (8, 1, 9), (16, 1, !0), (32, 1, !0)]);
        assert_eq!(get(fs, "/usr/bin/tool", ACL).unwrap(), followed);
        set(fs, "/etc/hard", ACL, &full).unwrap();
        set(fs, "/etc/hard", ACL, &minimal).unwrap();
        assert_eq!(get(fs, "/etc/hard", ACL), None, "permissions say it all");
        assert_eq!(fs.stat(&path("/etc/hard")).unwrap().unwrap().attributes.mode, 0o640);
        set(fs, "/etc", "system.posix_acl_default", &full).unwrap();
        assert_eq!(get(fs, "/etc", "system.posix_acl_default").unwrap(), full);
        fs.create_dirs(&path("/etc/new"), DIR).unwrap();
        assert_eq!(get(fs, "/etc/new", ACL), None, "what is made has the permissions that were given");
    });
    assert!(
        image.debugfs("ea_get -x /usr/bin/tool system.posix_acl_access").contains("02 00 00 00 01 00 06 00")
    );
}

/// The kernel keeps one block for files with the same attributes.
#[test]
fn a_shared_block_is_copied_before_it_changes() {
    let image = Image::new(32, &["-b", "4096", "-O", "^metadata_csum"]);
    let value = noise(700, 1);
    let names = ["/etc/hard", "/usr/bin/tool", "/etc/hostname"];
    image.edit(|fs| set(fs, names[0], "user.shared", &value).unwrap());
    let shared = block(&image, names[0]);
    image.debugfs_write("ea_rm /etc/hostname user.small");
    for name in &names[1..] {
        let said = image.debugfs(&format!("stat {name}"));
        let count: u64 =
            said.split_once("Blockcount: ").unwrap().1.split_whitespace().next().unwrap().parse().unwrap();
        image.debugfs_write(&format!("set_inode_field {name} file_acl {shared}"));
        image.debugfs_write(&format!("set_inode_field {name} blocks {}", count + 8));
    }
    // `h_refcount`, the second word of the block.
    image.patch(shared * 4096 + 4, |bytes| *bytes = 3_u32.to_le_bytes());
    image.assert_clean();
    let free = || image.try_open(false).unwrap().space().unwrap().bytes;
    let before = free();
    image.edit(|fs| {
        assert_eq!(get(fs, names[1], "user.shared").unwrap(), value);
        set(fs, names[1], "user.shared", &noise(800, 2)).unwrap();
        fs.remove_xattr(&path(names[2]), "user.shared").unwrap();
        assert_eq!(get(fs, names[0], "user.shared").unwrap(), value);
        assert_eq!(get(fs, names[1], "user.shared").unwrap(), noise(800, 2));
    });
    assert_eq!((block(&image, names[0]), block(&image, names[2])), (shared, 0));
    assert_eq!(free(), before - 4096, "one more block, for the one that was parted");
    image.edit(|fs| {
        fs.write(&path(names[0]), &mut &b"x"[..], PLAIN).unwrap();
        fs.remove(&path("/usr/bin/hard-too")).unwrap();
    });
    image.edit(|fs| fs.remove(&path(names[1])).unwrap());
}

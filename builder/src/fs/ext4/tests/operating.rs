//! What the single operations promise, on file systems that make it hard.

use std::io::{self, Read};

use super::image::{DIR, Image, MANY, NOW, PLAIN, many, noise, path};
use crate::fs::ext4::{Content, Ext4, Planned, Time};
use crate::fs::{Attributes, FileSystem, FsError, Kind, Result, Source};

fn image() -> Image {
    Image::new(32, &["-b", "4096"])
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, words: &str) {
    match result {
        Err(error @ FsError::BadPath { .. }) => {
            assert!(error.to_string().contains(words), "{words:?} is missing in: {error}");
        }
        other => panic!("it must be refused: {other:?}"),
    }
}

fn append(fs: &Ext4, at: &str, bytes: &[u8]) -> Result<u64> {
    fs.append(&path(at), &mut Source::sized(&mut &bytes[..], bytes.len() as u64))
}

fn replace(fs: &Ext4, at: &str, bytes: &[u8]) -> Result<u64> {
    fs.replace(&path(at), &mut Source::streamed(&mut &bytes[..]), 5)
}

fn write(fs: &Ext4, at: &str, bytes: &[u8]) {
    fs.write(&path(at), &mut &bytes[..], PLAIN).unwrap();
}

/// Sets flags of an inode that has extents.
fn flag(image: &Image, at: &str, flags: u32) {
    image.debugfs_write(&format!("set_inode_field {at} flags 0x{:x}", 0x80000 | flags));
    image.assert_clean();
}

#[test]
fn immutable_files_and_dirs_stay_as_they_are() {
    let image = image();
    flag(&image, "/etc/hostname", 0x10);
    flag(&image, "/usr/lib", 0x10);
    let tree = image.tree();
    image.edit(|fs| {
        let (at, hint) = (path("/etc/hostname"), "chattr -i /etc/hostname");
        refused(fs.write(&at, &mut io::empty(), PLAIN), hint);
        refused(replace(fs, "/etc/hostname", b"x"), hint);
        refused(append(fs, "/etc/hostname", b"x"), hint);
        refused(fs.symlink(&at, "x", PLAIN), hint);
        refused(fs.remove(&at), hint);
        refused(fs.rename(&at, &path("/etc/other")), hint);
        refused(fs.rename(&path("/etc/hard"), &at), hint);
        refused(fs.hard_link(&at, &path("/etc/other")), hint);
        refused(fs.set_mode(&at, 0), hint);
        refused(fs.set_owner(&at, 1, 1), hint);
        refused(
            fs.set_times(&at, Time { seconds: 0, nanoseconds: 0 }, Time { seconds: 0, nanoseconds: 0 }),
            hint,
        );
        refused(fs.set_attributes(&at, PLAIN), hint);
        refused(fs.set_xattr(&at, "user.x", b"x"), hint);
        refused(fs.remove_xattr(&at, "user.small"), hint);
        let dir = "chattr -i /usr/lib";
        refused(fs.write(&path("/usr/lib/new"), &mut io::empty(), PLAIN), dir);
        refused(fs.create_dirs(&path("/usr/lib/new"), DIR), dir);
        refused(fs.symlink(&path("/usr/lib/new"), "x", PLAIN), dir);
        refused(fs.hard_link(&path("/etc/hard"), &path("/usr/lib/new")), dir);
        refused(fs.rename(&path("/etc/hard"), &path("/usr/lib/new")), dir);
        refused(fs.remove(&path("/usr/lib/os-release")), dir);
        // A tree goes as a whole or not at all, wherever in it the protected file is.
        refused(fs.remove_tree(&path("/etc")), hint);
        refused(fs.remove_tree(&path("/usr")), dir);
    });
    assert!(image.tree() == tree);
}

#[test]
fn append_only_files_are_appended_to() {
    let image = image();
    flag(&image, "/etc/hostname", 0x20);
    flag(&image, "/boot", 0x20);
    image.edit(|fs| {
        let hint = "chattr -a /etc/hostname";
        append(fs, "/etc/hostname", b"more").unwrap();
        refused(replace(fs, "/etc/hostname", b"x"), hint);
        refused(fs.remove(&path("/etc/hostname")), hint);
        write(fs, "/boot/new", b"names may come");
        refused(fs.remove(&path("/boot/new")), "chattr -a /boot");
    });
    assert_eq!(image.tree()["/etc/hostname"], [b"f ", &noise(12, 12)[..], b"more"].concat());
}

#[test]
fn files_of_every_shape_are_appended_to() {
    let image = image();
    let sparse = [0, 2, 4].map(|n| 1 << (12 + n));
    image.debugfs_script(&[
        // Blocks that were allocated but never written, behind the end and within.
        "fallocate /etc/empty 0 20",
        "fallocate /etc/hard 2 9",
    ]);
    let before = image.tree();
    let bytes = noise(70_000, 3);
    let files =
        ["/etc/empty", "/etc/hard", "/etc/hostname", "/usr/bin/block", "/usr/bin/sparse", "/usr/bin/tool"];
    image.edit(|fs| {
        for at in files {
            for piece in [&bytes[..1], &bytes[1..4096], &bytes[4096..8192], &bytes[8192..]] {
                assert_eq!(append(fs, at, piece).unwrap(), piece.len() as u64, "{at}");
            }
        }
        // Over a hole at the end, in the middle of a block and at its beginning.
        for size in sparse {
            let at = format!("/etc/{size}");
            write(fs, &at, b"");
            fs.fs().apply_truncate_ino(fs.metadata(&path(&at)).unwrap().unwrap().inode, size + 5).unwrap();
            append(fs, &at, b"end").unwrap();
        }
    });
    let after = image.tree();
    for at in files {
        assert!(after[at] == [&before[at][..], &bytes].concat(), "{at}");
    }
    for size in sparse {
        assert_eq!(after[&format!("/etc/{size}")], [b"f ", &vec![0; size as usize + 5][..], b"end"].concat());
    }
    assert_eq!(image.stat("/usr/bin/hard-too"), image.stat("/etc/hard"));
    assert!(image.stat("/usr/bin/tool").starts_with("04755 "), "set-id bits stay");
}

/// Gives some bytes, then fails.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("the source broke"));
        }
        let count = buffer.len().min(self.0);
        buffer[..count].fill(7);
        self.0 -= count;
        Ok(count)
    }
}

#[test]
fn a_failure_leaves_what_was_there() {
    let image = image();
    let tree = image.tree();
    let stats = ["/etc/hard", "/usr/bin/tool", "/usr/bin/sparse"].map(|at| image.stat(at));
    image.edit(|fs| {
        let space = fs.space().unwrap();
        let long = || Failing((9 << 20) + 77);
        for at in ["/etc/hard", "/usr/bin/tool", "/usr/bin/sparse", "/etc/empty", "/etc/os-release"] {
            let at = path(at);
            assert!(matches!(fs.write(&at, &mut long(), PLAIN), Err(FsError::Io { .. })));
            if fs.stat(&at).unwrap().unwrap().kind == Kind::File {
                assert!(matches!(
                    fs.replace(&at, &mut Source::streamed(&mut long()), 1),
                    Err(FsError::Io { .. })
                ));
                assert!(matches!(
                    fs.append(&at, &mut Source::streamed(&mut long())),
                    Err(FsError::Io { .. })
                ));
                let appended = fs.append(&at, &mut Source::streamed(&mut io::repeat(1)));
                assert!(matches!(appended, Err(FsError::NoSpace { .. })), "{appended:?}");
            }
            for (given, announced) in [(10, 11), (10, 9), (0, 1), (1, 0)] {
                let error =
                    fs.write_sized(&at, &mut io::repeat(1).take(given), announced, PLAIN).unwrap_err();
                assert!(matches!(error, FsError::Io { .. }), "{error:?}");
            }
            let never = fs.write_sized(&at, &mut Failing(0), 1 << 40, PLAIN);
            assert!(
                matches!(never, Err(FsError::NoSpace { need: 0x100_0000_0000, .. })),
                "not even read: {never:?}"
            );
        }
        assert_eq!(fs.space().unwrap(), space);
    });
    assert!(image.tree() == tree);
    assert_eq!(["/etc/hard", "/usr/bin/tool", "/usr/bin/sparse"].map(|at| image.stat(at)), stats);
}

#[test]
fn replacing_keeps_owner_permissions_and_attributes() {
    for options in [&["-b", "4096"][..], &["-b", "1024", "-I", "128"]] {
        let image = Image::new(32, options);
        image.edit(|fs| {
            let at = path("/etc/hard");
            fs.set_owner(&at, 70_000, 80_000).unwrap();
            fs.set_mode(&at, 0o6711).unwrap();
            fs.set_xattr(&at, "user.small", b"s").unwrap();
            fs.set_xattr(&at, "trusted.large", &noise(500, 1)).unwrap();
            replace(fs, "/etc/hard", b"new").unwrap();
            assert_eq!(fs.xattr(&at, "user.small").unwrap().unwrap(), b"s");
            assert_eq!(fs.xattr(&at, "trusted.large").unwrap().unwrap(), noise(500, 1));
            assert_eq!(fs.xattr(&path("/usr/bin/hard-too"), "user.small").unwrap().unwrap(), b"s");
            refused(replace(fs, "/etc/os-release", b"x"), "symbolic link");
            assert!(matches!(replace(fs, "/etc/none", b"x"), Err(FsError::NotFound { .. })));
        });
        assert_eq!(image.stat("/etc/hard"), "06711 70000:80000 links 1 mtime 5");
        assert!(image.stat("/usr/bin/hard-too").starts_with("06711 70000:80000 links 1"));
        let tree = image.tree();
        assert_eq!(tree["/etc/hard"], b"f new");
        assert_eq!(tree["/usr/bin/hard-too"], [b"f ", &noise(5000, 5000)[..]].concat(), "the other name");
        assert!(tree.keys().all(|name| !name.contains(".hcimage")));
    }
}

#[test]
fn renaming_follows_rename_2() {
    let image = image();
    image.edit(|fs| {
        let rename = |from: &str, to: &str| fs.rename(&path(from), &path(to));
        for dir in ["/a/in/deep", "/b/empty", "/b/full/x"] {
            fs.create_dirs(&path(dir), DIR).unwrap();
        }
        refused(rename("/a", "/a/in/deep/new"), "into itself");
        refused(rename("/a", "/a/in"), "not empty");
        refused(rename("/a/in", "/b/full"), "not empty");
        refused(rename("/a/in", "/etc/hostname"), "regular file");
        refused(rename("/etc/hostname", "/b/empty"), "directory");
        refused(rename("/", "/b/new"), "root");
        refused(rename("/b/empty", "/"), "root");
        assert!(matches!(rename("/none", "/x"), Err(FsError::NotFound { .. })));
        assert!(matches!(rename("/a", "/none/x"), Err(FsError::NotFound { .. })));
        rename("/etc/hard", "/usr/bin/hard-too").unwrap();
        assert!(fs.stat(&path("/etc/hard")).unwrap().is_some(), "two names of one file both stay");
        rename("/a/in", "/b/empty").unwrap();
        rename("/etc/os-release", "/lib/link").unwrap();
        rename("/usr/bin/tool", "/usr/bin/block").unwrap();
        rename("/var/lib/many", "/many").unwrap();
        rename(&many(7).replace("/var/lib", ""), &many(8).replace("/var/lib", "")).unwrap();
        assert_eq!(fs.read_link(&path("/usr/lib/link")).unwrap(), "../usr/lib/os-release");
        assert_eq!(fs.list(&path("/many")).unwrap().len(), MANY - 3);
    });
    for (at, links) in [("/a", 2), ("/b", 4), ("/b/empty", 3), ("/var/lib", 2), ("/many", 2)] {
        assert!(image.stat(at).contains(&format!(" links {links} mtime")), "{at}: {}", image.stat(at));
    }
    assert!(image.stat("/usr/bin/block").starts_with("04755 "));
}

#[test]
fn trees_are_removed_and_hard_links_outside_stay() {
    let image = image();
    let free = || image.try_open(false).unwrap().space().unwrap();
    let (before, tree) = (free(), image.tree());
    image.edit(|fs| {
        let deep = format!("/tree{}", "/d".repeat(150));
        fs.create_dirs(&path(&deep), DIR).unwrap();
        write(fs, &format!("{deep}/{}", "n".repeat(255)), b"deep");
        fs.create_dirs(&path("/tree/wide"), DIR).unwrap();
        for number in 0..400 {
            write(fs, &format!("/tree/wide/{number}-{}", "w".repeat(40)), &noise(number, 1));
            fs.create_dirs(&path(&format!("/tree/wide/directory-{number}")), DIR).unwrap();
        }
        fs.hard_link(&path("/etc/hard"), &path("/tree/hard")).unwrap();
        fs.hard_link(&path("/tree/hard"), &path("/tree/wide/hard")).unwrap();
        fs.symlink(&path("/tree/link"), &"l".repeat(1000), PLAIN).unwrap();
        fs.rename(&path("/run/fifo"), &path("/tree/fifo")).unwrap();
        fs.set_xattr(&path("/tree/link"), "security.x", &noise(900, 1)).unwrap();
        fs.set_xattr(&path("/tree/wide"), "user.x", &noise(900, 1)).unwrap();
        refused(fs.remove_dir(&path("/tree")), "not empty");
        refused(fs.remove_dir(&path("/etc/hostname")), "regular file");
    });
    assert!(image.stat("/etc/hard").contains("links 4"));
    image.edit(|fs| {
        fs.remove_tree(&path("/tree")).unwrap();
        assert!(matches!(fs.remove_tree(&path("/tree")), Err(FsError::NotFound { .. })));
        refused(fs.remove_tree(&path("/")), "root");
    });
    assert!(image.stat("/etc/hard").contains("links 2"));
    assert!(image.tree() == tree);
    let after = free();
    assert_eq!((before.bytes, before.inodes + 1), (after.bytes, after.inodes), "all but the FIFO's inode");
    // The large directory with its hash tree, and everything else.
    image.edit(|fs| {
        for at in ["/var", "/usr", "/etc", "/boot", "/run", "/lib"] {
            fs.remove_tree(&path(at)).unwrap();
        }
    });
    assert!(image.tree().is_empty());
}

#[test]
fn times_to_the_nanosecond_and_past_2038() {
    let image = image();
    let time = |seconds, nanoseconds| Time { seconds, nanoseconds };
    let before = image.stat("/usr");
    let (early, late) = (time(-1_000_000_000, 1), time(15_000_000_000, 999_999_999));
    image.edit(|fs| {
        fs.set_times(&path("/etc/hostname"), early, late).unwrap();
        fs.set_times(&path("/etc"), late, early).unwrap();
        for (at, accessed, modified) in [("/etc/hostname", early, late), ("/etc", late, early)] {
            let metadata = fs.metadata(&path(at)).unwrap().unwrap();
            assert_eq!(
                (metadata.accessed, metadata.modified, metadata.changed),
                (accessed, modified, time(NOW, 0))
            );
        }
        // The other name of the file goes: its inode has changed.
        fs.remove(&path("/usr/bin/hard-too")).unwrap();
        assert_eq!(fs.metadata(&path("/etc/hard")).unwrap().unwrap().changed, time(NOW, 0));
        assert_eq!(fs.metadata(&path("/usr/bin")).unwrap().unwrap().modified, time(NOW, 0));
    });
    assert!(image.debugfs("stat /etc/hostname").contains(" mtime: 0x7e11d600:ee6b27ff"));
    assert_eq!(image.stat("/usr"), before, "only the directory itself has changed");
    assert!(image.stat("/usr/bin").ends_with(&format!("mtime {NOW}")));
    let small = Image::new(32, &["-I", "128"]);
    small.edit(|fs| {
        fs.set_times(&path("/etc"), early, early).unwrap();
        refused(fs.set_times(&path("/etc"), early, late), "2038");
        let late = Attributes { mtime: 3_000_000_000, ..PLAIN };
        refused(fs.write(&path("/etc/new"), &mut io::empty(), late), "2038");
        assert_eq!(fs.stat(&path("/etc/new")).unwrap(), None);
    });
}

/// Every second block is free, and nothing else: each block of a file is an extent of its own.
fn fragmented() -> Image {
    let image = Image::new(8, &["-b", "1024", "-N", "3500", "-O", "^has_journal"]);
    image.edit(|fs| {
        fs.create_dirs(&path("/blocks"), DIR).unwrap();
        let filler = fs.space().unwrap().bytes - 1_700_000;
        fs.write(&path("/filler"), &mut io::repeat(1).take(filler), PLAIN).unwrap();
        let mut number = 0;
        while fs.space().unwrap().bytes > 20_000 {
            write(fs, &format!("/blocks/{number}"), &noise(1000, number));
            number += 1;
        }
        for number in (0..number).step_by(2) {
            fs.remove(&path(&format!("/blocks/{number}"))).unwrap();
        }
    });
    image
}

#[test]
fn fragmented_free_space_is_used() {
    let image = fragmented();
    let content = noise(700_000, 5);
    image.edit(|fs| {
        let plan = Planned { path: path("/etc/scattered"), content: Content::File { size: 600_000 } };
        let more = Planned { path: path("/etc/scattered"), content: Content::Appended { size: 100_000 } };
        let need = fs.need([plan, more]).unwrap();
        let before = fs.space().unwrap();
        need.check(before).unwrap();
        write(fs, "/etc/scattered", &content[..600_000]);
        append(fs, "/etc/scattered", &content[600_000..]).unwrap();
        let used = before.bytes - fs.space().unwrap().bytes;
        assert!(used <= need.bytes && used > 700_000, "{used} of {}", need.bytes);
        // As much as there is, and one more: it is taken back from a deep tree of extents.
        let free = fs.space().unwrap();
        let error = append(fs, "/etc/scattered", &vec![1; free.bytes as usize]).unwrap_err();
        assert!(matches!(error, FsError::NoSpace { .. }), "{error:?}");
        assert!(fs.space().unwrap().bytes + 20 * 1024 > free.bytes, "the room is free again");
        assert!(fs.read(&path("/etc/scattered"), 1 << 20).unwrap() == content);
    });
    let extents = image.debugfs("extents /etc/scattered").lines().count();
    assert!(extents > 300, "{extents} extents: the fixture is fragmented");
    image.edit(|fs| fs.remove(&path("/etc/scattered")).unwrap());
}

/// Files of a file system that began as ext3 have block maps.
#[test]
fn files_with_block_maps_are_refused_or_kept() {
    let image = Image::new(32, &["-O", "^extent,^64bit"]);
    image.debugfs_write("feature extent");
    let before = image.tree();
    image.edit(|fs| {
        refused(append(fs, "/usr/bin/tool", b"x"), "not supported");
        write(fs, "/usr/bin/new", &noise(9000, 1));
        replace(fs, "/usr/bin/tool", &noise(9000, 2)).unwrap();
        fs.rename(&path("/etc/hard"), &path("/usr/lib/hard")).unwrap();
        fs.remove_tree(&path("/var")).unwrap();
        for number in 0..300 {
            write(fs, &format!("/etc/name-{number}-{}", "n".repeat(60)), b"x");
        }
    });
    let after = image.tree();
    assert!(after["/usr/lib/hard"] == before["/etc/hard"] && !after.contains_key("/var"));
    assert!(after["/usr/bin/tool"] == [b"f ", &noise(9000, 2)[..]].concat());
}

#[test]
fn the_need_covers_all_operations() {
    for options in [&["-b", "4096"][..], &["-b", "1024", "-I", "128"]] {
        let image = Image::new(64, options);
        image.edit(|fs| {
            let mut plan = Vec::new();
            let mut step = |at: String, content| plan.push(Planned { path: path(&at), content });
            for number in 0..200 {
                step(format!("/links/{number}-{}", "n".repeat(200)), Content::Symlink { target: 900 });
                step(format!("/names/{number}-{}", "n".repeat(200)), Content::Name);
                step(format!("/links/{number}-{}", "n".repeat(200)), Content::Xattrs);
            }
            step("/etc/hostname".to_owned(), Content::Appended { size: 300_000 });
            step("/usr/bin/tool".to_owned(), Content::File { size: 400_000 });
            let need = fs.need(plan).unwrap();
            let before = fs.space().unwrap();
            fs.create_dirs(&path("/links"), DIR).unwrap();
            fs.create_dirs(&path("/names"), DIR).unwrap();
            for number in 0..200 {
                let link = path(&format!("/links/{number}-{}", "n".repeat(200)));
                fs.symlink(&link, &"t".repeat(900), PLAIN).unwrap();
                fs.hard_link(&path("/etc/hard"), &path(&format!("/names/{number}-{}", "n".repeat(200))))
                    .unwrap();
                fs.set_xattr(&link, "security.x", &noise(800, number)).unwrap();
            }
            append(fs, "/etc/hostname", &noise(300_000, 1)).unwrap();
            let tool = before.bytes - fs.space().unwrap().bytes;
            replace(fs, "/usr/bin/tool", &noise(400_000, 1)).unwrap();
            let after = fs.space().unwrap();
            // The old file was there while the new one was written.
            let used = (before.bytes - after.bytes).max(tool + 400_000);
            assert!(need.bytes >= used, "{} planned, {used} used", need.bytes);
            assert!(need.bytes <= used + used / 5, "{} planned, {used} used", need.bytes);
            assert_eq!(need.inodes, before.inodes - after.inodes + 1, "the replaced file's inode");
        });
    }
}

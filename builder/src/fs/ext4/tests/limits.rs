//! At the edges of the file system, and the promise that the same edits give the same bytes.

use std::io::{self, Read};

use super::image::{DIR, Image, PLAIN, noise, path};
use crate::fs::ext4::{Content, Ext4, Planned};
use crate::fs::{FileSystem, FsError, ImagePath};

#[test]
fn a_file_that_does_not_fit_leaves_nothing_behind() {
    let image = Image::new(32, &["-b", "4096"]);
    let tree = image.tree();
    image.edit(|fs| {
        let before = fs.space().unwrap();
        let error = fs.write(&path("/usr/bin/big"), &mut io::repeat(1).take(100 << 20), PLAIN).unwrap_err();
        assert!(matches!(&error, FsError::NoSpace { what, .. } if what == "/usr/bin/big"), "{error:?}");
        assert_eq!(fs.space().unwrap(), before);
    });
    assert!(image.tree() == tree);
}

/// A small image with so few bytes left that they run out soon.
fn nearly_full() -> Image {
    let image = Image::new(8, &["-b", "1024", "-N", "3500", "-O", "^has_journal"]);
    image.edit(|fs| {
        let filler = fs.space().unwrap().bytes - 300_000;
        fs.write(&path("/filler"), &mut io::repeat(1).take(filler), PLAIN).unwrap();
    });
    image
}

/// Fills with `step` until it fails, and wants the error to be `expected`; whatever was made before stays sound.
fn exhaust(
    image: &Image,
    step: impl Fn(&Ext4, u32) -> crate::fs::Result<()>,
    expected: fn(&FsError) -> bool,
) {
    image.edit(|fs| {
        let error = (0..100_000).find_map(|number| step(fs, number).err()).expect("it must run out");
        assert!(expected(&error), "{error:?}");
        // Once more: running out is no accident that changes anything.
        assert!(expected(&step(fs, 100_001).unwrap_err()));
    });
}

#[test]
fn without_blocks_it_is_no_space() {
    let out = |error: &FsError| matches!(error, FsError::NoSpace { .. });
    let at = |number: u32| path(&format!("/var/lib/many/{number}-{}", "n".repeat(200)));
    exhaust(&nearly_full(), |fs, n| fs.write(&at(n), &mut noise(3000, n).as_slice(), PLAIN).map(drop), out);
    exhaust(&nearly_full(), |fs, n| fs.create_dirs(&at(n), DIR), out);
    exhaust(&nearly_full(), |fs, n| fs.symlink(&at(n), &"t".repeat(900), PLAIN), out);
}

#[test]
fn without_inodes_it_is_no_inodes() {
    let out = |error: &FsError| matches!(error, FsError::NoInodes { free: 0, .. });
    let few = &["-b", "4096", "-N", "500"];
    let at = |number: u32| path(&format!("/usr/{number}"));
    exhaust(&Image::new(32, few), |fs, n| fs.write(&at(n), &mut b"x".as_slice(), PLAIN).map(drop), out);
    exhaust(&Image::new(32, few), |fs, n| fs.create_dirs(&at(n), DIR), out);
    exhaust(&Image::new(32, few), |fs, n| fs.symlink(&at(n), "t", PLAIN), out);
}

#[test]
fn the_need_of_a_plan_is_enough_and_not_much_more() {
    for options in [&["-b", "4096"][..], &["-b", "1024"]] {
        let image = Image::new(64, options);
        image.edit(|fs| {
            let sizes = [20 << 20, 3 << 20, 100_000, 4096, 1, 0];
            let mut plan: Vec<_> = (0..60)
                .map(|number| {
                    (path(&format!("/opt/k3s/directory-{}/file-{number}", number % 7)), sizes[number.min(5)])
                })
                .collect();
            plan.push((path("/lib/modules/through-a-link"), 5000));
            let planned = |(at, size): &(ImagePath, usize)| Planned {
                path: at.clone(),
                content: Content::File { size: *size as u64 },
            };
            let need = fs.need(plan.iter().map(planned)).unwrap();
            need.check(fs.space().unwrap()).unwrap();
            let before = fs.space().unwrap();
            for (at, size) in &plan {
                fs.create_dirs(&at.parent().unwrap(), DIR).unwrap();
                fs.write(at, &mut noise(*size, 5).as_slice(), PLAIN).unwrap();
            }
            let after = fs.space().unwrap();
            let used = before.bytes - after.bytes;
            assert_eq!(need.inodes, before.inodes - after.inodes);
            assert!(need.bytes >= used, "{} planned, {used} used", need.bytes);
            assert!(need.bytes <= used + used * 4 / 100, "{} planned, {used} used", need.bytes);
        });
    }
}

#[test]
fn the_same_edits_give_the_same_bytes() {
    let base = Image::new(64, &[]);
    let edit = || {
        let image = base.copy();
        image.edit(|fs| {
            fs.create_dirs(&path("/opt/a/b"), DIR).unwrap();
            for number in 0..50 {
                fs.write(&path(&format!("/opt/a/{number}")), &mut noise(9000, number).as_slice(), PLAIN)
                    .unwrap();
            }
            fs.write(&path("/etc/hard"), &mut b"x".as_slice(), PLAIN).unwrap();
            fs.symlink(&path("/opt/l"), &"l".repeat(99), PLAIN).unwrap();
            fs.remove(&path("/usr/bin/tool")).unwrap();
        });
        image.partition_bytes(0, 64 << 20)
    };
    assert!(edit() == edit());
}

//! Directories of many names, checked by e2fsck, which checks each name's place in the hash tree, and by debugfs.

use std::collections::BTreeSet;

use super::image::{DIR, Image, PLAIN, path, tool};
use super::operations::Mounted;
use crate::fs::ext4::Ext4;
use crate::fs::{FileSystem, FsError, Source};

/// Names of all lengths, with bytes above 127, which signed and unsigned hashes take differently.
fn name(number: usize) -> String {
    format!("{}-{number}", ["a", "é", "long-name-\u{7ff}", "ÿ".repeat(60).as_str()][number % 4])
}

fn at(number: usize) -> String {
    format!("/large/{}", name(number))
}

fn create(fs: &Ext4, number: usize) {
    fs.write(&path(&at(number)), &mut Source::sized(&mut std::io::empty(), 0), PLAIN).unwrap();
}

/// Adds, finds and removes names in `/large`, which exists or is made, and runs the tools.
fn exercise(image: &Image, count: usize) {
    image.edit(|fs| {
        fs.create_dirs(&path("/large"), DIR).unwrap();
        (0..count).for_each(|number| create(fs, number));
        (0..count).for_each(|number| assert!(fs.stat(&path(&at(number))).unwrap().is_some(), "{number}"));
        assert!(fs.stat(&path(&at(count))).unwrap().is_none());
    });
    image.edit(|fs| {
        (0..count).step_by(3).for_each(|number| fs.remove(&path(&at(number))).unwrap());
        (count..count + count / 4).for_each(|number| create(fs, number));
        for number in (1..count).step_by(30) {
            fs.rename(&path(&at(number)), &path(&format!("/large/moved-{number}"))).unwrap();
        }
    });
    let moved = |number: usize| number < count && number % 30 == 1;
    let kept =
        (0..count + count / 4).filter(|number| (*number >= count || number % 3 != 0) && !moved(*number));
    let mut want: BTreeSet<String> = kept.map(name).collect();
    want.extend((0..count).filter(|number| moved(*number)).map(|number| format!("moved-{number}")));
    let listed = image.try_open(false).unwrap().list(&path("/large")).unwrap();
    assert!(listed.iter().map(|entry| entry.name.clone()).collect::<BTreeSet<_>>() == want);
    // debugfs finds its way by the tree too.
    for number in [count, count + 1] {
        assert!(image.debugfs(&format!("stat \"{}\"", at(number))).contains("Type: regular"));
    }
}

/// Nodes between the root and the leaves, as debugfs reads the tree; none for a directory without one.
fn levels(image: &Image, dir: &str) -> Option<u32> {
    let said = image.debugfs(&format!("htree_dump {dir}"));
    let line = said.lines().find(|line| line.contains("Indirect levels:"))?;
    line.rsplit(' ').next().unwrap().parse().ok()
}

#[test]
fn every_hash_is_written_signed_and_unsigned() {
    for (hash, version, flags, block) in [
        ("half_md4", 1, 1, "1024"),
        ("half_md4", 1, 2, "4096"),
        ("tea", 2, 1, "4096"),
        ("tea", 2, 2, "1024"),
        ("legacy", 0, 1, "2048"),
        ("legacy", 0, 2, "1024"),
    ] {
        let image = Image::empty(24, &["-b", block, "-N", "3000"]);
        image.debugfs_write(&format!("set_super_value def_hash_version {hash}"));
        image.debugfs_write(&format!("set_super_value flags {flags}"));
        exercise(&image, 1600);
        let said = image.debugfs("htree_dump /large");
        assert!(said.contains(&format!("Hash Version: {version}")), "{hash} {flags} {block}: {said}");
    }
}

#[test]
fn dirs_are_sound_with_every_feature_that_changes_their_format() {
    for options in [
        &["-b", "1024", "-O", "^metadata_csum"][..],
        &["-b", "1024", "-O", "^metadata_csum,uninit_bg,^flex_bg,^64bit", "-I", "128"],
        &["-b", "2048", "-O", "metadata_csum_seed"],
        &["-b", "1024", "-O", "large_dir"],
    ] {
        let image = Image::empty(24, &[options, &["-N", "3000"]].concat());
        exercise(&image, 1600);
        assert!(levels(&image, "/large").is_some());
    }
}

#[test]
fn without_dir_index_a_dir_stays_linear() {
    for block in ["1024", "4096"] {
        let image = Image::empty(24, &["-b", block, "-N", "6000", "-O", "^dir_index"]);
        exercise(&image, 3000);
        assert_eq!(levels(&image, "/large"), None);
    }
}

/// A directory made large by other tools, with a hash tree or without: it is used as it is.
#[test]
fn dirs_made_by_others_stay_as_they_are() {
    for indexed in [true, false] {
        let image = Image::empty(24, &["-b", "1024", "-N", "3000"]);
        let script: Vec<String> = std::iter::once("mkdir large".to_owned())
            .chain(
                (10_000..10_800)
                    .map(|number| format!("write /dev/null {}", at(number).trim_start_matches('/'))),
            )
            .collect();
        image.debugfs_script(&script.iter().map(String::as_str).collect::<Vec<_>>());
        if indexed {
            let output = tool("e2fsck", &["-fyD", &image.target()]);
            assert!(matches!(output.status.code(), Some(0 | 1)));
        }
        assert_eq!(levels(&image, "/large").is_some(), indexed);
        image.edit(|fs| {
            (0..1000).for_each(|number| create(fs, number));
            (10_000..10_800).step_by(2).for_each(|number| fs.remove(&path(&at(number))).unwrap());
            (0..1000).for_each(|number| assert!(fs.stat(&path(&at(number))).unwrap().is_some()));
            assert_eq!(fs.list(&path("/large")).unwrap().len(), 1400);
        });
        assert_eq!(levels(&image, "/large").is_some(), indexed);
    }
}

/// What the kernel indexed, we and the kernel go on with in turns; it finds every name.
#[test]
#[ignore = "needs root and loop devices"]
fn edits_in_turn_with_the_kernel_stay_sound() {
    for options in [
        &["-b", "1024"][..],
        &["-b", "1024", "-O", "large_dir"],
        &["-b", "2048", "-O", "^metadata_csum"],
        &["-b", "4096", "-O", "orphan_file,metadata_csum_seed"],
        &["-b", "1024", "-I", "128", "-O", "^metadata_csum,uninit_bg,^64bit"],
    ] {
        let image = Image::empty(48, &[options, &["-N", "12000"]].concat());
        let on_the_host =
            |root: &std::path::Path, number: usize| root.join(at(number).trim_start_matches('/'));
        let mounted = Mounted::try_new(&image, 0).unwrap();
        std::fs::create_dir(mounted.root().join("large")).unwrap();
        (0..3000)
            .for_each(|number| drop(std::fs::File::create(on_the_host(mounted.root(), number)).unwrap()));
        mounted.unmount();
        assert!(levels(&image, "/large").is_some());
        image.edit(|fs| {
            (3000..6000).for_each(|number| create(fs, number));
            (0..3000).step_by(2).for_each(|number| fs.remove(&path(&at(number))).unwrap());
            fs.create_dirs(&path("/ours/large"), DIR).unwrap();
            (0..2000).for_each(|number| {
                fs.hard_link(&path(&at(1)), &path(&format!("/ours/{}", name(number)))).unwrap()
            });
        });
        let mounted = Mounted::try_new(&image, 0).unwrap();
        let root = mounted.root();
        let there = |number: usize| on_the_host(root, number).try_exists().unwrap();
        assert!((0..6000).all(|number| there(number) == (number >= 3000 || number % 2 == 1)), "{options:?}");
        assert!((0..2000).all(|number| root.join("ours").join(name(number)).try_exists().unwrap()));
        (6000..8000).for_each(|number| drop(std::fs::File::create(on_the_host(root, number)).unwrap()));
        (0..1000).for_each(|number| std::fs::remove_file(root.join("ours").join(name(number))).unwrap());
        (3000..4000).for_each(|number| std::fs::remove_file(on_the_host(root, number)).unwrap());
        (2000..3000)
            .for_each(|number| drop(std::fs::File::create(root.join("ours").join(name(number))).unwrap()));
        mounted.unmount();
        image.assert_clean();
        image.edit(|fs| {
            assert_eq!(fs.list(&path("/large")).unwrap().len(), 1500 + 2000 + 2000);
            (4000..8000).for_each(|number| assert!(fs.stat(&path(&at(number))).unwrap().is_some()));
            (1000..3000).for_each(|number| fs.remove(&path(&format!("/ours/{}", name(number)))).unwrap());
            fs.remove_dir(&path("/ours/large")).unwrap();
            fs.remove_dir(&path("/ours")).unwrap();
        });
    }
}

/// With blocks of 1 KiB and the longest names two levels are soon full: then there is a third one with `large_dir`,
/// and a refusal without.
#[test]
fn hash_trees_grow_to_all_levels() {
    let link = |number: usize| path(&format!("/large/{number:05}-{}", "n".repeat(240)));
    for (features, want) in [("^large_dir", Some(1)), ("large_dir", Some(2))] {
        let image = Image::empty(64, &["-b", "1024", "-O", features]);
        let mut made = 0;
        image.edit(|fs| {
            fs.create_dirs(&path("/large"), DIR).unwrap();
            fs.write(&path("/file"), &mut Source::sized(&mut std::io::empty(), 0), PLAIN).unwrap();
            while made < 45_000 {
                match fs.hard_link(&path("/file"), &link(made)) {
                    Ok(()) => made += 1,
                    Err(error) => {
                        assert!(
                            matches!(&error, FsError::Unsupported { what } if what.contains("is full")),
                            "{error}"
                        );
                        break;
                    }
                }
            }
            assert!((0..made).step_by(7).all(|number| fs.stat(&link(number)).unwrap().is_some()));
        });
        assert_eq!(levels(&image, "/large"), want);
        assert_eq!(made == 45_000, features == "large_dir", "{made}");
    }
}

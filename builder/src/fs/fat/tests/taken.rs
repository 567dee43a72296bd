//! What Linux takes, whoever made it: every choice of mkfs.fat, edited and judged by fsck.fat and mtools.

use super::*;

/// Size of the volume, and what mkfs.fat is told.
const CHOICES: [(u64, &[&str]); 21] = [
    // FAT32 with fewer clusters than the format has for one; below 65,536 sectors their count is in the small field.
    (MIB, &["-F", "32", "-s", "1"]),
    (8 * MIB, &["-F", "32", "-s", "1"]),
    (20 * MIB, &["-F", "32", "-s", "8"]),
    (64 * MIB, &["-F", "32", "-s", "4"]),
    (8 * MIB, &["-F", "32", "-f", "1", "-R", "2"]),
    (300 * MIB, &["-F", "32", "-s", "128"]),
    // Sectors of other sizes.
    (8 * MIB, &["-F", "12", "-S", "1024"]),
    (64 * MIB, &["-F", "16", "-S", "2048"]),
    (64 * MIB, &["-F", "16", "-S", "4096"]),
    (64 * MIB, &["-F", "32", "-S", "4096"]),
    (300 * MIB, &["-F", "32", "-S", "4096", "-s", "1"]),
    // One table, other reserved sectors, roots and media.
    (4 * MIB, &["-F", "12", "-f", "1"]),
    (16 * MIB, &["-F", "16", "-f", "1", "-R", "8"]),
    (16 * MIB, &["-F", "16", "-R", "64", "-r", "32"]),
    (16 * MIB, &["-F", "16", "-r", "4096"]),
    (16 * MIB, &["-F", "16", "-M", "0xf0"]),
    (16 * MIB, &["-F", "16", "-a", "-h", "2048", "-D", "0x00"]),
    (16 * MIB, &["-F", "16", "--mbr=y"]),
    (40 * MIB, &["-F", "32", "-s", "1", "-R", "17", "-b", "9"]),
    (40 * MIB, &["-F", "32", "-s", "1", "-M", "0xff"]),
    // As few clusters as there can be for a FAT16.
    (4250 * 512, &["-F", "16", "-s", "1", "-r", "16"]),
];

fn made(size: u64, options: &[&str]) -> Scratch {
    let scratch = Scratch::sized(size);
    let path = scratch.path();
    let fixed = ["--invariant", "-n", "bootfs"];
    tool("dosfstools", "mkfs.vfat", &[&fixed[..], options, &[text(&path)]].concat(), "");
    fill(&scratch);
    scratch
}

#[test]
fn every_choice_of_mkfs_is_edited() {
    for (size, options) in CHOICES {
        let scratch = made(size, options);
        let mut want = exported(&scratch);
        let fs = try_open(&scratch).unwrap_or_else(|error| panic!("{size} {options:?}: {error}"));
        assert_eq!(fs.label().unwrap().as_deref(), Some("bootfs"), "{options:?}");
        write(&fs, "/cmdline.txt", b"shorter\n").unwrap();
        write(&fs, "/overlays/a new file with a long name", &[7; 60_000]).unwrap();
        fs.remove(&path("/a name that is long enough.conf")).unwrap();
        fs.create_dirs(&path("/one/Two with a long name"), attributes()).unwrap();
        want.insert("/cmdline.txt".to_owned(), b"shorter\n".to_vec());
        want.insert("/overlays/a new file with a long name".to_owned(), vec![7; 60_000]);
        want.remove("/a name that is long enough.conf");
        fs.finish().unwrap();
        assert_clean(&scratch);
        assert!(exported(&scratch) == want, "{options:?}");
    }
}

/// With all of its clusters in use, nothing is written behind the end of a volume.
#[test]
fn a_small_fat32_is_filled_and_no_further() {
    for (size, options) in [(MIB, &["-F", "32", "-s", "1"][..]), (20 * MIB, &["-F", "32", "-s", "8"])] {
        let scratch = made(size, options);
        // Bytes behind the volume, as a partition may have them.
        scratch.open().set_len(size + 4096).unwrap();
        let tail = [0xa5; 4096];
        scratch.window().write_all_at(&tail, size).unwrap();
        let fs = open(&scratch);
        let free = fs.space().unwrap().bytes;
        let error = fs.write(&path("/big"), &mut io::repeat(1).take(free + 1), attributes()).unwrap_err();
        assert!(matches!(error, FsError::NoSpace { .. }), "{error}");
        fs.write(&path("/big"), &mut io::repeat(1).take(free), attributes()).unwrap();
        assert_eq!(fs.space().unwrap().bytes, 0);
        fs.remove(&path("/big")).unwrap();
        assert_eq!(fs.space().unwrap().bytes, free);
        fs.write(&path("/big"), &mut io::repeat(2).take(free), attributes()).unwrap();
        fs.finish().unwrap();
        assert_clean(&scratch);
        let mut after = [0; 4096];
        scratch.window().read_exact_at(&mut after, size).unwrap();
        assert!(after == tail);
    }
}

/// More copies of the table than fsck.fat reads: they stay the same, and mtools reads what was written.
#[test]
fn every_copy_of_the_table_is_written() {
    for options in [&["-F", "16", "-f", "4"], &["-F", "32", "-f", "3"]] {
        let scratch = made(40 * MIB, options);
        let fs = open(&scratch);
        write(&fs, "/new", &[1; 30_000]).unwrap();
        fs.finish().unwrap();
        drop(open(&scratch));
        assert_eq!(exported(&scratch)["/new"], [1; 30_000]);
    }
}

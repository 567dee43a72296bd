//! Tables made by sfdisk and sgdisk, read and grown here, checked by sfdisk and sgdisk again.

use std::fs;

use proptest::prelude::*;

use super::testkit::{Scratch, run, text, tool};
use super::*;

const MIB: u64 = 1 << 20;
/// Size of the GPT image.
const CLOUD: u64 = 32 * MIB;

fn mbr(size: u64, script: &str) -> Scratch {
    let scratch = Scratch::sized(size);
    tool("fdisk", "sfdisk", &["--quiet", text(&scratch.path())], script);
    scratch
}

fn gpt(size: u64, arguments: &[&str]) -> Scratch {
    let scratch = Scratch::sized(size);
    let path = scratch.path();
    let arguments: Vec<&str> = arguments.iter().copied().chain([text(&path)]).collect();
    tool("gdisk", "sgdisk", &arguments, "");
    scratch
}

/// The layout of Raspberry Pi OS bookworm, its second partition shortened.
fn pi_os() -> Scratch {
    let script = "label: dos\nlabel-id: 0x1234abcd\nstart=16384,size=1048576,type=c\nstart=1064960,type=83\n";
    mbr(600 * MIB, script)
}

/// The layout of Debian's cloud images: numbers not in disk order.
fn cloud() -> Scratch {
    let disk = "--disk-guid=6B2F0C5A-3C52-4D0E-9B1F-0A1B2C3D4E5F";
    let parts = ["--new=14:2048:+3M", "--new=15:8192:+4M", "--new=1:20480:0"];
    let types = ["--typecode=14:ef02", "--typecode=15:ef00", "--typecode=1:8304", "--change-name=1:Röot"];
    let guids = ["--partition-guid=1:AAAAAAAA-1111-2222-3333-444444444444", "--attributes=14:set:2"];
    gpt(CLOUD, &[&[disk][..], &parts, &types, &guids].concat())
}

/// A GPT with another MBR beside it, made as Debian makes that of its images for the Raspberry Pi.
fn hybrid(gpt: &dyn Fn() -> Scratch, entries: &str) -> Scratch {
    let scratch = gpt();
    let script = format!("label: dos\nlabel-id: 0x00000000\nunit: sectors\n{entries}");
    tool("fdisk", "sfdisk", &["--quiet", "--label-nested", "dos", text(&scratch.path())], &script);
    scratch
}

/// The layout of Debian 13's image for the Raspberry Pi, made smaller.
fn debian_pi() -> Scratch {
    let gpt =
        || gpt(CLOUD, &["--new=15:2048:+8M", "--new=1:20480:0", "--typecode=15:ef00", "--typecode=1:8305"]);
    let entries =
        "2 : start=1,size=2047,type=ee\n1 : start=2048,size=16384,type=c\n3 : start=20480,type=ee\n";
    hybrid(&gpt, entries)
}

/// The MBR beside a GPT, as sfdisk reads it: place, start, size and type of each entry.
fn nested(scratch: &Scratch) -> Vec<[String; 4]> {
    let path = scratch.path();
    let dump = tool("fdisk", "sfdisk", &["--label-nested", "dos", "--dump", text(&path)], "");
    let entries = dump.lines().filter_map(|line| line.strip_prefix(text(&path)));
    let entries = entries.map(|line| {
        let (place, fields) = line.split_once(':').unwrap();
        let fields: Vec<&str> =
            fields.split(',').map(|field| field.split_once('=').unwrap().1.trim()).collect();
        [place.trim(), fields[0], fields[1], fields[2]].map(str::to_owned)
    });
    entries.collect()
}

fn read(scratch: &Scratch) -> Result<PartitionTable> {
    PartitionTable::read(&scratch.window())
}

fn error(scratch: &Scratch) -> String {
    read(scratch).unwrap_err().to_string()
}

fn poke(scratch: &Scratch, offset: u64, bytes: &[u8]) {
    scratch.window().write_all_at(bytes, offset).unwrap();
}

/// Asks sfdisk for the same fields that we read.
fn agrees_with_sfdisk(scratch: &Scratch) {
    let table = read(scratch).unwrap();
    let json = tool("fdisk", "sfdisk", &["--json", text(&scratch.path())], "");
    let field = |line: &str, key: &str| -> Option<String> {
        let (_, rest) = line.split_once(&format!("\"{key}\":"))?;
        Some(rest.trim_start_matches([' ', '"']).split(['"', ',', '}', '\n']).next()?.to_owned())
    };
    let nodes: Vec<&str> = json.split("\"node\"").skip(1).collect();
    assert_eq!(nodes.len(), table.partitions.len(), "{json}");
    for (node, p) in nodes.iter().zip(&table.partitions) {
        assert_eq!(field(node, "start"), Some((p.start.0 / SECTOR).to_string()));
        assert_eq!(field(node, "size"), Some((p.size.0 / SECTOR).to_string()));
        assert_eq!(field(node, "uuid"), p.guid.map(|g| g.to_string().to_uppercase()));
    }
}

#[test]
fn reads_raspberry_pi_os() {
    let scratch = pi_os();
    let table = read(&scratch).unwrap();
    assert_eq!(table.kind, TableKind::Mbr { disk_id: 0x1234_abcd });
    let kinds: Vec<_> = table.partitions.iter().map(|p| (p.number, p.start.0, p.kind)).collect();
    let want = [(1, 16384 * SECTOR, PartitionType::Fat), (2, 1_064_960 * SECTOR, PartitionType::Linux)];
    assert_eq!(kinds, want);
    assert_eq!(table.partuuid(2).as_deref(), Some("1234abcd-02"));
    assert_eq!(table.partuuid(3), None);
    agrees_with_sfdisk(&scratch);
    let window = table.partition(2).unwrap().window(&scratch.window()).unwrap();
    assert_eq!(window.len(), 600 * MIB - 1_064_960 * SECTOR);
}

#[test]
fn reads_a_cloud_image() {
    let scratch = cloud();
    let table = read(&scratch).unwrap();
    let kinds: Vec<_> = table.partitions.iter().map(|p| (p.number, p.kind)).collect();
    let want = [(1, PartitionType::Linux), (14, PartitionType::BiosBoot), (15, PartitionType::Fat)];
    assert_eq!(kinds, want);
    assert_eq!(table.partuuid(1).as_deref(), Some("aaaaaaaa-1111-2222-3333-444444444444"));
    assert_eq!(table.partition(1).unwrap().label.as_deref(), Some("Röot"));
    agrees_with_sfdisk(&scratch);
}

#[test]
fn reads_four_primaries_and_gaps() {
    agrees_with_sfdisk(&mbr(64 * MIB, "label: dos\n,4M,c\n,4M,83\n,4M,82\n,,83\n"));
    agrees_with_sfdisk(&mbr(
        64 * MIB,
        "label: dos\nstart=40960,size=2048,type=83\nstart=2048,size=9,type=e\n",
    ));
}

#[test]
fn files_that_are_not_disk_images_are_refused() {
    let starts: [(&[u8], &str); 14] = [
        (b"", "an empty file"),
        (&[0; 4096], "zeros"),
        (b"\xfd7zXZ\0\0\0", "xz -dk"),
        (b"\x1f\x8b\x08", "gzip -dk"),
        (b"\x28\xb5\x2f\xfd", "zstd -dk"),
        (b"PK\x03\x04", "unzip"),
        (b"QFI\xfb\0\0\0\x03", "qemu-img convert"),
        (b"Rar!\x1a\x07\x01", "a RAR archive"),
        (b"\x3a\xff\x26\xed\x01\0\0\0", "simg2img"),
        (b"\xd0\x0d\xfe\xed", "a FIT image"),
        (b"<!DOCTYPE html>", "a web page; download the image itself"),
        (b"PK\x05\x06", "an empty zip archive"),
        (&[7; 4096], "0x55 0xaa"),
        (&[7; 100], "0x55 0xaa"),
    ];
    for (bytes, want) in starts {
        let message = error(&Scratch::holding(bytes));
        assert!(message.contains(want), "{message}");
    }
}

#[test]
fn refuses_bare_file_systems_by_name() {
    let fat = Scratch::sized(64 * MIB);
    tool("dosfstools", "mkfs.vfat", &[text(&fat.path())], "");
    assert!(error(&fat).contains("but FAT alone; give the image of a whole disk"));
    let ext4 = Scratch::sized(8 * MIB);
    tool("e2fsprogs", "mkfs.ext4", &["-q", text(&ext4.path())], "");
    assert!(error(&ext4).contains("but ext4 alone"));
}

/// Made by their own tools. [`MARKED`] has those whose tools want root or more.
const MADE: [(&str, &str, &[&str], &str); 8] = [
    ("btrfs-progs", "mkfs.btrfs", &["-q"], "btrfs"),
    ("f2fs-tools", "mkfs.f2fs", &["-q"], "F2FS"),
    ("xfsprogs", "mkfs.xfs", &["-q"], "XFS"),
    ("ntfs-3g", "mkfs.ntfs", &["-F", "-q", "-Q"], "NTFS"),
    ("exfatprogs", "mkfs.exfat", &[], "exFAT"),
    ("util-linux", "mkswap", &["--quiet"], "Linux swap"),
    ("util-linux", "mkswap", &["--quiet", "--pagesize", "65536"], "Linux swap"),
    ("util-linux", "mkswap", &["--quiet", "--pagesize", "16384"], "Linux swap"),
];

/// Nothing but the mark, at its place.
const MARKED: [(u64, &[u8], &str); 6] = [
    (0, b"LUKS\xba\xbe\0\x02", "LUKS (encrypted)"),
    (0x218, b"LVM2 001", "LVM"),
    (0x2_0000 + 5 * 0x400, b"\x0c\xb1\xba\0\0\0\0\0", "ZFS"),
    (0x1018, b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", "bcachefs"),
    (0x1000, b"\xfc\x4e\x2b\xa9", "Linux RAID"),
    (0x1_0034, b"ReIsEr2Fs", "ReiserFS"),
];

/// A file of 320 MiB with each of them, and its name.
fn other_file_systems() -> Vec<(Scratch, &'static str)> {
    let mut all = Vec::new();
    for (package, program, options, name) in MADE {
        let scratch = Scratch::sized(320 * MIB);
        tool(package, program, &[options, &[text(&scratch.path())]].concat(), "");
        all.push((scratch, name));
    }
    for (place, mark, name) in MARKED {
        let scratch = Scratch::sized(320 * MIB);
        poke(&scratch, place, mark);
        all.push((scratch, name));
    }
    let from = Scratch::holding(b"a file");
    for (package, program, name) in
        [("squashfs-tools", "mksquashfs", "squashfs"), ("erofs-utils", "mkfs.erofs", "EROFS")]
    {
        let scratch = Scratch::sized(0);
        let (image, beside) = (scratch.path(), from.path());
        let dir = text(beside.parent().unwrap());
        let arguments = if name == "EROFS" { [text(&image), dir] } else { [dir, text(&image)] };
        let options: &[&str] = if name == "EROFS" { &[] } else { &["-quiet", "-noappend"] };
        tool(package, program, &[&arguments[..], options].concat(), "");
        all.push((scratch, name));
    }
    all
}

#[test]
fn other_file_systems_are_called_by_name() {
    for (scratch, name) in other_file_systems() {
        assert_eq!(other_file_system(&scratch.window()).unwrap(), Some(name));
        let want = format!("but {name} alone; give the image of a whole disk");
        assert!(error(&scratch).contains(&want), "{}", error(&scratch));
        // The rest of another one may be behind a new one.
        if scratch.window().len() == 320 * MIB {
            tool("e2fsprogs", "mkfs.ext4", &["-q", "-F", text(&scratch.path()), "64M"], "");
            assert_eq!(other_file_system(&scratch.window()).unwrap(), None, "{name}");
        }
    }
    for sound in [pi_os(), cloud()] {
        // Nor does a mark in the gap before the first partition make a disk another thing.
        poke(&sound, 0x1_0040, b"_BHRfS_M");
        assert!(read(&sound).is_ok());
    }
}

#[test]
fn refuses_damaged_mbrs() {
    let overlap = mbr(64 * MIB, "label: dos\n,8M,c\n,8M,83\n");
    poke(&overlap, 446 + 16 + 8, &2049_u32.to_le_bytes());
    assert!(error(&overlap).contains("partitions 1 and 2 overlap"), "{}", error(&overlap));
    let empty = mbr(64 * MIB, "label: dos\n,8M,c\n");
    poke(&empty, 446 + 12, &[0; 4]);
    assert!(error(&empty).contains("partition 1 has no sectors"));
    let self_covering = mbr(64 * MIB, "label: dos\n,8M,c\n");
    poke(&self_covering, 446 + 8, &[0; 4]);
    assert!(error(&self_covering).contains("covers the table"));
    let extended = mbr(64 * MIB, "label: dos\n,8M,c\n,,5\n,8M,83\n");
    assert_eq!(error(&extended), "an extended partition (number 2) is not supported");
    let flag = mbr(64 * MIB, "label: dos\n,8M,c\n");
    poke(&flag, 446, &[0x12]);
    assert!(error(&flag).contains("invalid boot flag"));
}

#[test]
fn a_truncated_image_is_named_as_such() {
    let scratch = pi_os();
    scratch.open().set_len(550 * MIB).unwrap();
    let want = "the image is truncated: partition 2 ends at 629145600 bytes, but the image has 576716800; download it again";
    assert_eq!(error(&scratch), want);
    let scratch = cloud();
    scratch.open().set_len(31 * MIB).unwrap();
    assert!(error(&scratch).contains("the image is truncated: the partition table ends at 33554432"));
}

#[test]
fn refuses_damaged_gpts_with_the_fix() {
    for (offset, want) in [
        (512 + 40, "wrong checksum; the backup is good"),
        (512, "no GPT header at sector 1; the backup is good"),
        (1024 + 40, "the entries of the GPT: partition table CRC mismatch; the backup is good"),
    ] {
        let scratch = cloud();
        poke(&scratch, offset, &[0x5a]);
        let message = error(&scratch);
        assert!(message.contains(want), "{offset}: {message}");
    }
}

#[test]
fn refuses_what_linux_takes_for_no_gpt() {
    for (place, bytes, want) in [
        // Its first sector, its entries' size and their number.
        (446 + 8, &[2_u8][..], "does not begin at sector 1"),
        (512 + 84, &[0, 1], "a GPT with entries of 256 bytes is not supported"),
        (512 + 80, &[0; 4], "a GPT with 0 entries is not supported"),
        (512 + 12, &[0, 2], "a GPT header of 512 bytes"),
        (512 + 24, &[9], "says that it is at sector 9"),
        (512 + 48, &[0xff; 7], "the image is truncated: the partition table ends"),
    ] {
        let scratch = cloud();
        poke(&scratch, place, bytes);
        if place > 512 {
            let mut header = [0; 92];
            scratch.window().read_exact_at(&mut header, 512).unwrap();
            header[16..20].fill(0);
            poke(&scratch, 512 + 16, &crc32(&header).to_le_bytes());
        }
        assert!(error(&scratch).contains(want), "{}", error(&scratch));
    }
}

/// What sgdisk, sfdisk and parted say of the table; none has a complaint.
fn assert_settled(scratch: &Scratch, what: &str) {
    let image = scratch.path();
    assert_eq!(scratch.window().len() % SECTOR, 0, "{what}");
    let verdict = tool("gdisk", "sgdisk", &["--verify", text(&image)], "");
    assert!(verdict.contains("No problems found"), "{what}: {verdict}");
    let output = run("fdisk", "sfdisk", &["--verify", text(&image)], b"");
    assert!(output.status.success() && output.stderr.is_empty(), "{what}: {output:?}");
    let output = run("parted", "parted", &["--script", text(&image), "unit", "s", "print"], b"");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        output.status.success() && !said.contains("Warning") && !said.contains("Error"),
        "{what}: {said}"
    );
    agrees_with_sfdisk(scratch);
}

/// Changes a disk that is otherwise as Debian's cloud images.
type Change = fn(&Scratch);

#[test]
fn the_backup_of_a_gpt_is_at_the_end() {
    let cases: [(&str, Change, u64); 12] = [
        ("a sector too far", |s| s.open().set_len(CLOUD + 512).unwrap(), CLOUD + 512),
        ("its own size too far", |s| s.open().set_len(CLOUD + 33 * 512).unwrap(), CLOUD + 33 * 512),
        ("a MiB too far", |s| s.open().set_len(CLOUD + MIB).unwrap(), CLOUD + MIB),
        ("no whole sectors", |s| s.open().set_len(CLOUD + 100).unwrap(), CLOUD + 512),
        (
            "more than a MiB, and no whole sectors",
            |s| s.open().set_len(CLOUD + MIB + 511).unwrap(),
            CLOUD + MIB + 512,
        ),
        ("a damaged header", |s| poke(s, CLOUD - 512 + 60, b"Z"), CLOUD),
        ("damaged entries", |s| poke(s, CLOUD - 33 * 512 + 60, b"Z"), CLOUD),
        ("no backup", |s| poke(s, CLOUD - 33 * 512, &[0; 33 * 512]), CLOUD),
        ("a backup that was cut off", |s| s.open().set_len(CLOUD - 33 * 512).unwrap(), CLOUD),
        ("half a backup", |s| s.open().set_len(CLOUD - 10 * 512).unwrap(), CLOUD),
        ("a small guard", |s| poke(s, 446 + 12, &[1, 0, 0, 0]), CLOUD),
        ("a large guard", |s| poke(s, 446 + 12, &[0xff; 4]), CLOUD),
    ];
    for (what, change, size) in cases {
        let scratch = cloud();
        fill(&scratch);
        let (table, before) = (read(&scratch).unwrap(), fs::read(scratch.path()).unwrap());
        change(&scratch);
        let said = settle_end(&scratch.open()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(said.is_some(), "{what}");
        assert_eq!(scratch.window().len(), size, "{what}");
        assert_settled(&scratch, what);
        assert_eq!(read(&scratch).unwrap(), table, "{what}");
        let after = fs::read(scratch.path()).unwrap();
        // From the end of the entries to that of the last partition nothing moves.
        let content = 34 * 512..before.len() - 33 * 512;
        assert!(before[content.clone()] == after[content], "{what}");
        assert_eq!(settle_end(&scratch.open()).unwrap(), None, "{what}");
        assert!(after == fs::read(scratch.path()).unwrap(), "{what}");
        grow_last(&scratch.open(), 1, ByteSize(64 * MIB)).unwrap();
        assert_settled(&scratch, what);
    }
}

#[test]
fn the_primary_decides_where_the_copies_differ() {
    let scratch = cloud();
    let mut old = vec![0; 33 * 512];
    scratch.window().read_exact_at(&mut old, CLOUD - 33 * 512).unwrap();
    tool("gdisk", "sgdisk", &["--change-name=1:new", text(&scratch.path())], "");
    poke(&scratch, CLOUD - 33 * 512, &old);
    let output = run("gdisk", "sgdisk", &["--verify", text(&scratch.path())], b"");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("No problems found"));
    assert_eq!(read(&scratch).unwrap().partition(1).unwrap().label.as_deref(), Some("new"));
    assert!(settle_end(&scratch.open()).unwrap().is_some());
    assert_settled(&scratch, "two copies");
    assert_eq!(read(&scratch).unwrap().partition(1).unwrap().label.as_deref(), Some("new"));
}

#[test]
fn tables_of_other_sizes_are_settled() {
    for arguments in [
        &["--resize-table=4", "--new=1:2048:+8M", "--new=2:0:0"][..],
        &["--resize-table=128", "--new=1:2048:+8M", "--new=2:0:0"],
        &["--resize-table=512", "--new=1:2048:+8M", "--new=300:0:0"],
        &["--move-main-table=128", "--new=1:2048:+8M", "--new=2:0:0"],
    ] {
        for more in [0, 512, 300, MIB] {
            let scratch = gpt(CLOUD, arguments);
            let table = read(&scratch).unwrap();
            scratch.open().set_len(CLOUD + more).unwrap();
            settle_end(&scratch.open()).unwrap();
            assert_settled(&scratch, &format!("{arguments:?} and {more}"));
            assert_eq!(read(&scratch).unwrap(), table);
        }
    }
}

#[test]
fn a_hybrid_mbr_is_settled_with_its_gpt() {
    let scratch = debian_pi();
    scratch.open().set_len(40 * MIB).unwrap();
    assert!(settle_end(&scratch.open()).unwrap().is_some());
    let verdict = tool("gdisk", "sgdisk", &["--verify", text(&scratch.path())], "");
    assert!(verdict.contains("No problems found"), "{verdict}");
    let guard = (40 * MIB / SECTOR - 20480).to_string();
    assert_eq!(nested(&scratch)[2], ["3", "20480", &guard, "ee"]);
    assert_eq!(nested(&scratch)[0], ["1", "2048", "16384", "c"]);
}

#[test]
fn settled_disks_stay_as_they_are() {
    for scratch in [cloud(), debian_pi(), pi_os(), mbr(64 * MIB, "label: dos\n,8M,c\n,8M,83\n")] {
        let before = fs::read(scratch.path()).unwrap();
        assert_eq!(settle_end(&scratch.open()).unwrap(), None);
        assert!(before == fs::read(scratch.path()).unwrap());
    }
    let scratch = mbr(64 * MIB, "label: dos\n,8M,c\n,8M,83\n");
    scratch.open().set_len(64 * MIB + 1).unwrap();
    poke(&scratch, 64 * MIB, b"x");
    assert_eq!(settle_end(&scratch.open()).unwrap(), None);
    let after = fs::read(scratch.path()).unwrap();
    assert_eq!((after.len() as u64, after[64 << 20]), (64 * MIB + 512, b'x'));
}

#[test]
fn refuses_mixed_tables_by_name() {
    for (mbr, want) in [
        (
            "start=2,size=2046,type=ee\nstart=8192,size=8192,type=c\n",
            "without a protective entry at sector 1",
        ),
        (
            "start=1,size=8191,type=ee\nstart=8192,size=4096,type=c\n",
            "MBR partition 2 of a hybrid MBR is not in the GPT",
        ),
        ("start=1,size=20479,type=ee\nstart=20480,size=45023,type=83\n", "does not show the FAT"),
        (
            "start=8192,size=8192,type=c\nstart=1,size=2047,type=ee\nstart=16384,size=1024,type=ee\n\
             start=20480,type=ee\n",
            "three protective entries",
        ),
    ] {
        let scratch = hybrid(&cloud, mbr);
        let before = fs::read(scratch.path()).unwrap();
        let message = order_for_firmware(&scratch.open()).unwrap_err().to_string();
        assert!(message.contains(want), "{message}");
        assert!(before == fs::read(scratch.path()).unwrap());
    }
    let unprotected = cloud();
    poke(&unprotected, 446, &[0; 64]);
    assert!(error(&unprotected).contains("no protective MBR"));
}

#[test]
fn reads_a_hybrid_mbr_as_linux_does() {
    let scratch = debian_pi();
    let table = read(&scratch).unwrap();
    assert!(matches!(table.kind, TableKind::Gpt { hybrid: true, .. }), "{table:?}");
    assert_eq!(table.partitions.iter().map(|p| p.number).collect::<Vec<_>>(), [1, 15]);
    agrees_with_sfdisk(&scratch);
    let gdisk = hybrid(&cloud, "1 : start=8192,size=8192,type=c\n2 : start=1,size=8191,type=ee\n");
    assert_eq!(read(&gdisk).unwrap().partitions.len(), 3);
}

#[test]
fn a_hybrid_mbr_grows_with_its_gpt() {
    let scratch = debian_pi();
    grow_last(&scratch.open(), 1, ByteSize(48 * MIB)).unwrap();
    agrees_with_sfdisk(&scratch);
    let verdict = tool("gdisk", "sgdisk", &["--verify", text(&scratch.path())], "");
    assert!(verdict.contains("No problems found"), "{verdict}");
    let entries = nested(&scratch);
    let guard = 48 * MIB / SECTOR - 20480;
    let wanted =
        [["1", "2048", "16384", "c"], ["2", "1", "2047", "ee"], ["3", "20480", &guard.to_string(), "ee"]];
    assert_eq!(entries, wanted);

    // The grown partition may stand in the MBR itself.
    let gpt = || gpt(CLOUD, &["--new=1:2048:+8M", "--new=2:20480:0", "--typecode=1:ef00"]);
    let both = "start=2048,size=16384,type=c\nstart=20480,size=45023,type=83\nstart=1,size=2047,type=ee\n";
    let scratch = hybrid(&gpt, both);
    grow_last(&scratch.open(), 2, ByteSize(48 * MIB)).unwrap();
    agrees_with_sfdisk(&scratch);
    assert_eq!(nested(&scratch)[1], ["2", "20480", &(guard - 33).to_string(), "83"]);
    assert_eq!(nested(&scratch)[2], ["3", "1", "2047", "ee"]);
}

#[test]
fn the_firmware_finds_the_fat_and_linux_its_gpt() {
    let scratch = debian_pi();
    poke(&scratch, 0, &[0xfa; 440]);
    let before = fs::read(scratch.path()).unwrap();
    let table = read(&scratch).unwrap();
    assert!(order_for_firmware(&scratch.open()).unwrap());
    assert_eq!(
        nested(&scratch),
        [["1", "2048", "16384", "c"], ["3", "1", "2047", "ee"], ["4", "20480", "45056", "ee"]]
    );
    assert_eq!(read(&scratch).unwrap(), table);
    agrees_with_sfdisk(&scratch);
    let after = fs::read(scratch.path()).unwrap();
    assert!(changed(&before, &after).iter().all(|at| (446 & !15..512).contains(at)));
    // blkid's library, which udev asks, sees the GPT as well.
    let seen =
        tool("fdisk", "partx", &["--raw", "--noheadings", "--output", "NR,START", text(&scratch.path())], "");
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["1", "20480", "15", "2048"]);

    assert!(!order_for_firmware(&scratch.open()).unwrap());
    assert!(after == fs::read(scratch.path()).unwrap());
    for other in [cloud(), pi_os()] {
        assert!(!order_for_firmware(&other.open()).unwrap());
    }
}

/// Everything that differs, as ranges of whole 16-byte groups.
fn changed(before: &[u8], after: &[u8]) -> Vec<usize> {
    let pairs = before.chunks(16).zip(after.chunks(16)).enumerate();
    pairs.filter(|(_, (a, b))| a != b).map(|(index, _)| index * 16).collect()
}

/// Fills what the tables leave, so that a stray write shows.
fn fill(scratch: &Scratch) {
    for p in read(scratch).unwrap().partitions {
        let window = p.window(&scratch.window()).unwrap();
        let pattern = vec![u8::try_from(p.number).unwrap() | 0x80; 64 << 10];
        window.write_all_at(&pattern, 0).unwrap();
        window.write_all_at(&pattern, window.len() - (64 << 10)).unwrap();
    }
    poke(scratch, 0, &[0xfa; 440]);
}

#[test]
fn growing_an_mbr_changes_one_entry_as_sfdisk_would() {
    for new_size in [601 * MIB, 3 << 30, 20 << 30] {
        let (ours, theirs) = (pi_os(), pi_os());
        fill(&ours);
        // Table, gap, and both ends of the second partition: all that a growth could hit by mistake.
        let sample = |scratch: &Scratch| {
            let places = [0, 1_064_960 * SECTOR, 599 * MIB];
            let mut bytes = vec![vec![0; 1 << 20]; places.len()];
            for (bytes, place) in bytes.iter_mut().zip(places) {
                scratch.window().read_exact_at(bytes, place).unwrap();
            }
            bytes.concat()
        };
        let before = sample(&ours);
        let size = grow_last(&ours.open(), 2, ByteSize(new_size)).unwrap();
        assert_eq!(size.0, new_size - 1_064_960 * SECTOR);
        assert_eq!(ours.window().len(), new_size);
        let after = sample(&ours);
        let entry = 446 + 16;
        let differs: Vec<usize> = (0..before.len()).filter(|i| before[*i] != after[*i]).collect();
        assert!(differs.iter().all(|i| (entry..entry + 16).contains(i)), "{differs:?}");
        tool("fdisk", "sfdisk", &["--verify", text(&ours.path())], "");
        agrees_with_sfdisk(&ours);

        theirs.open().set_len(new_size).unwrap();
        tool("fdisk", "sfdisk", &["--quiet", "-N2", text(&theirs.path())], ",+\n");
        let mut entries = [[0; 66]; 2];
        ours.window().read_exact_at(&mut entries[0], 446).unwrap();
        theirs.window().read_exact_at(&mut entries[1], 446).unwrap();
        assert_eq!(entries[0], entries[1], "growing to {new_size}");
    }
}

#[test]
fn growing_a_gpt_moves_the_backup_and_keeps_the_rest() {
    for new_size in [CLOUD + 4096, 33 * MIB, 3 << 30, 3 << 40] {
        let scratch = cloud();
        fill(&scratch);
        let path = scratch.path();
        let print = |number: &str| tool("gdisk", "sgdisk", &["--info", number, text(&path)], "");
        let before = fs::read(&path).unwrap();
        let (info14, info15) = (print("14"), print("15"));
        let size = grow_last(&scratch.open(), 1, ByteSize(new_size)).unwrap();
        assert_eq!(size.0, new_size - 33 * 512 - 20480 * SECTOR);

        let verdict = tool("gdisk", "sgdisk", &["--verify", text(&path)], "");
        assert!(verdict.contains("No problems found"), "{verdict}");
        tool("fdisk", "sfdisk", &["--verify", text(&path)], "");
        agrees_with_sfdisk(&scratch);
        assert_eq!((print("14"), print("15")), (info14, info15));
        assert!(print("1").contains("Partition name: 'Röot'"));

        let mut after = vec![0; before.len()];
        scratch.window().read_exact_at(&mut after, 0).unwrap();
        let old_backup = before.len() - 33 * 512;
        let moved = changed(&before[..old_backup], &after[..old_backup]);
        // Guard size; header checksum, backup place, last usable, entries' checksum; last sector of entry 1.
        let allowed = [446 & !15, 458 & !15, 512 + 16, 512 + 32, 512 + 48, 512 + 80, 1024 + 32];
        assert!(moved.iter().all(|at| allowed.contains(at)), "{moved:?}");
        if new_size >= 33 * MIB {
            assert!(after[old_backup..].iter().all(|byte| *byte == 0));
        }
    }
}

#[test]
fn growing_to_the_present_size_takes_the_slack() {
    let scratch = mbr(64 * MIB, "label: dos\n,8M,c\n,8M,83\n");
    assert_eq!(grow_last(&scratch.open(), 2, ByteSize(64 * MIB)).unwrap().0, 55 * MIB);
    tool("fdisk", "sfdisk", &["--verify", text(&scratch.path())], "");
    let before = fs::read(scratch.path()).unwrap();
    assert_eq!(grow_last(&scratch.open(), 2, ByteSize(64 * MIB)).unwrap().0, 55 * MIB);
    assert_eq!(before, fs::read(scratch.path()).unwrap());
}

#[test]
fn refused_growth_changes_nothing() {
    let scratch = mbr(64 * MIB, "label: dos\n,8M,c\n,8M,83\n");
    let before = fs::read(scratch.path()).unwrap();
    for (number, size, want) in [
        (1, 80 * MIB, "growing partition 1, which is followed by partition 2, is not supported"),
        (3, 80 * MIB, "growing partition 3, which does not exist, is not supported"),
        (2, 32 * MIB, "cannot be shrunk"),
        (2, 80 * MIB + 1, "not a multiple of 512 bytes"),
        (2, (2 << 40) + MIB, "beyond 2 TiB"),
        (2, u64::MAX - 511, "beyond 2 TiB"),
    ] {
        let message = grow_last(&scratch.open(), number, ByteSize(size)).unwrap_err().to_string();
        assert!(message.contains(want), "{message}");
    }
    assert!(before == fs::read(scratch.path()).unwrap());
    let cloud = cloud();
    let message = grow_last(&cloud.open(), 15, ByteSize(200 * MIB)).unwrap_err().to_string();
    assert!(message.contains("which is followed by partition 1"), "{message}");
}

#[test]
fn an_mbr_reaches_2_tib_and_no_further() {
    let scratch = mbr(64 * MIB, "label: dos\n,8M,c\n,8M,83\n");
    grow_last(&scratch.open(), 2, ByteSize(2 << 40)).unwrap();
    tool("fdisk", "sfdisk", &["--verify", text(&scratch.path())], "");
    agrees_with_sfdisk(&scratch);
}

#[test]
fn a_gpt_of_256_entries_keeps_them() {
    let scratch = gpt(64 * MIB, &["--resize-table=256", "--new=200:4096:0"]);
    grow_last(&scratch.open(), 200, ByteSize(80 * MIB)).unwrap();
    let verdict = tool("gdisk", "sgdisk", &["--verify", text(&scratch.path())], "");
    assert!(verdict.contains("No problems found"), "{verdict}");
    assert_eq!(read(&scratch).unwrap().partitions[0].number, 200);
}

#[test]
fn sgdisk_reports_damage() {
    let scratch = cloud();
    scratch.open().set_len(200 * MIB).unwrap();
    let output = run("gdisk", "sgdisk", &["--verify", text(&scratch.path())], b"");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("No problems found"));
}

/// A small GPT disk, an MBR disk and one with both, made by their tools once.
fn seeds() -> [Vec<u8>; 3] {
    let small_gpt = || gpt(2 * MIB, &["--new=2:2048:+100K", "--new=1:0:0"]);
    let both = hybrid(&small_gpt, "1 : start=2048,size=200,type=c\n2 : start=1,size=2047,type=ee\n");
    let small_mbr = mbr(2 * MIB, "label: dos\nstart=1024,size=512,type=c\nstart=2048,type=83\n");
    [small_gpt(), small_mbr, both].map(|scratch| fs::read(scratch.path()).unwrap())
}

#[test]
fn mutated_tables_never_panic() {
    let seeds = seeds();
    let place = prop_oneof![440..512_usize, 512..604_usize, 1024..1280_usize, 0..2_usize << 20];
    let patches = prop::collection::vec((place, any::<u8>()), 1..8);
    proptest!(ProptestConfig::with_cases(256), |(which in 0..3_usize, patches in patches, fix in any::<bool>())| {
        let mut image = seeds[which].clone();
        for (place, byte) in patches {
            image[place] = byte;
        }
        if fix && which != 1 {
            // With the right checksum, the fields themselves are checked.
            image[528..532].fill(0);
            let crc = crc32(&image[512..604]);
            image[528..532].copy_from_slice(&crc.to_le_bytes());
        }
        let scratch = Scratch::holding(&image);
        if let Ok(table) = read(&scratch) {
            for p in &table.partitions {
                prop_assert!(p.window(&scratch.window()).is_ok());
            }
        }
        let _ = grow_last(&scratch.open(), 1, ByteSize(4 << 20));
        let _ = order_for_firmware(&scratch.open());
        if settle_end(&scratch.open()).is_ok() {
            prop_assert!(read(&scratch).is_ok());
            prop_assert_eq!(settle_end(&scratch.open()).unwrap(), None);
        }
    });
}

#[test]
fn random_sectors_never_panic() {
    proptest!(ProptestConfig::with_cases(256), |(mut bytes in prop::collection::vec(any::<u8>(), 0..2048))| {
        if let Some(signature) = bytes.get_mut(510..512) {
            signature.copy_from_slice(&[0x55, 0xaa]);
        }
        let _ = read(&Scratch::holding(&bytes));
    });
}

/// Bit by bit, for the fuzz test only.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

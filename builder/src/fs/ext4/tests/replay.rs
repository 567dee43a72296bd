//! Journals that need recovery: made by debugfs and by the kernel, checked by e2fsck's own recovery.

use super::image::{Image, NOW, noise, tool};
use super::operations::Mounted;
use crate::fs::ext4::{Ext4, Ext4Options};
use crate::fs::{FileSystem, FsError};

fn open(image: &Image) -> Result<Ext4, FsError> {
    Ext4::open(image.window(), Ext4Options { now: NOW, writable: true, replay: true })
}

/// A copy that e2fsck has recovered. It loses its offset on the way, so it is given the partition alone.
fn recovered_by_e2fsck(image: &Image) -> Image {
    let copy = image.copy();
    let alone = copy.write_beside("alone", &image.partition());
    let output = tool("e2fsck", &["-fy", &alone]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stdout));
    copy.put_partition(&std::fs::read(alone).unwrap());
    copy
}

/// Replays, and compares with what e2fsck makes of it.
fn judge(image: &Image) {
    let want = recovered_by_e2fsck(image).tree();
    let error = image.try_open(true).err().unwrap();
    assert!(matches!(&error, FsError::Dirty { .. }), "without being asked: {error}");
    let fs = open(image).unwrap();
    Box::new(fs).finish().unwrap();
    image.assert_clean();
    assert!(image.dumpe2fs().lines().all(|line| !line.contains("needs_recovery")));
    assert!(image.tree() == want);
    image.edit(|_| {});
}

/// Blocks of a file, as debugfs lists them.
fn blocks(image: &Image, file: &str) -> Vec<String> {
    image.debugfs(&format!("blocks {file}")).split_whitespace().map(str::to_owned).collect()
}

/// Block sizes, features, and how debugfs is to open the journal.
const KINDS: [(&str, &str, &str); 6] = [
    ("1024", "64bit,metadata_csum", "-c -v 3"),
    ("4096", "64bit,metadata_csum", "-c -v 2"),
    ("4096", "^64bit,metadata_csum", "-c -v 3"),
    ("1024", "^64bit,metadata_csum", "-c -v 2"),
    ("2048", "64bit,^metadata_csum", ""),
    ("1024", "^64bit,^metadata_csum,uninit_bg", ""),
];

/// Two transactions with new content for a file, one block of which looks like a block of the journal; a third one
/// that takes back what the first two had for some blocks; and a fourth one that was never committed.
fn dirty((size, features, how): (&str, &str, &str)) -> Image {
    let image = Image::new(40, &["-b", size, "-O", features]);
    let len: usize = size.parse().unwrap();
    let blocks = blocks(&image, "/usr/bin/tool");
    let file = |name: &str, seed: u32, count: usize| {
        let mut content = noise(count * len, seed);
        content[len..len + 4].copy_from_slice(&0xc03b_3998_u32.to_be_bytes());
        image.write_beside(name, &content)
    };
    let (first, second) = (file("first", 1, 40), file("second", 2, 20));
    let list = |from: usize, count: usize| blocks[from..from + count].join(",");
    image.debugfs_script(&[
        &format!("jo {how}"),
        &format!("jw -b {} {first}", list(0, 40)),
        &format!("jw -b {} {second}", list(10, 20)),
        &format!("jw -r {}", list(20, 4)),
        &format!("jw -c -b {} {second}", list(35, 20)),
        "jc",
    ]);
    image
}

#[test]
fn every_kind_of_journal_is_replayed_as_by_the_kernel() {
    for kind in KINDS {
        let image = dirty(kind);
        let before = image.tree();
        judge(&image);
        assert!(image.tree() != before, "{kind:?}: there was something to replay");
    }
}

/// Whatever single byte of the log is wrong: it is refused with no byte changed, or what comes out is what e2fsck
/// makes of it.
#[test]
fn a_damaged_journal_is_refused_and_nothing_is_written() {
    for kind in &KINDS[..2] {
        let image = dirty(*kind);
        let len: u64 = kind.0.parse().unwrap();
        let log: Vec<u64> = blocks(&image, "<8>").iter().map(|block| block.parse().unwrap()).collect();
        let whole = image.bytes();
        let mut refused = 0;
        // Descriptors, their blocks, commits: the log is used up to about its 90th block. Block 0 is the superblock.
        for at in (0..90).step_by(6) {
            image.patch(log[at] * len + 12 + (at as u64 % 5) * 4, |bytes| bytes[0] ^= 0x40);
            let damaged = image.bytes();
            match open(&image) {
                Err(error) => {
                    assert!(matches!(error, FsError::Corrupt { .. }), "{at}: {error}");
                    refused += 1;
                }
                Ok(fs) => drop(fs),
            }
            assert!(image.bytes() == damaged, "{at}");
            image.restore(&whole);
        }
        assert!(refused > 7, "{refused} of 15 were noticed");
    }
}

#[test]
fn errors_and_orphans_are_refused_after_a_replay_too() {
    let image = dirty(KINDS[5]);
    image.debugfs_write("set_super_value last_orphan 15");
    assert!(matches!(open(&image), Err(FsError::Dirty { what, .. }) if what.contains("orphan list")));
    let image = dirty(KINDS[5]);
    image.debugfs_write("set_super_value state 3");
    assert!(matches!(open(&image), Err(FsError::Corrupt { what, .. }) if what.contains("error flag")));
}

/// A busy file system, copied while the kernel has it mounted: the journal is small, so that it goes round.
#[test]
#[ignore = "needs root and loop devices"]
fn a_journal_left_by_the_kernel_is_replayed() {
    for (options, data) in [
        (&["-b", "1024", "-J", "size=1"][..], "ordered"),
        (&["-b", "1024", "-J", "size=1"], "journal"),
        (&["-b", "4096", "-J", "size=4", "-O", "^64bit"], "journal"),
        (&["-b", "4096", "-J", "size=4", "-O", "orphan_file,metadata_csum_seed"], "ordered"),
        (&["-b", "2048", "-J", "size=2", "-O", "^metadata_csum"], "journal"),
        (&["-b", "1024", "-J", "size=1", "-O", "^metadata_csum,uninit_bg,^64bit", "-I", "128"], "journal"),
    ] {
        let image = Image::new(64, options);
        let option = if data == "journal" { "journal_data" } else { "journal_data_ordered" };
        assert!(tool("tune2fs", &["-o", option, &image.target()]).status.success());
        let mounted = Mounted::try_new(&image, 0).unwrap();
        let mut copies = Vec::new();
        for round in 0..12_u32 {
            let dir = mounted.root().join(format!("round-{round}"));
            std::fs::create_dir(&dir).unwrap();
            for number in 0..120_u32 {
                // Content that looks like the journal, directories that go again: escapes and revokes.
                let mut content = noise(3000, number);
                content[..4].copy_from_slice(&0xc03b_3998_u32.to_be_bytes());
                std::fs::write(dir.join(format!("file-{number}-{}", "n".repeat(60))), content).unwrap();
            }
            if round % 3 == 2 {
                std::fs::remove_dir_all(mounted.root().join(format!("round-{}", round - 1))).unwrap();
            }
            let last = std::fs::File::create(dir.join("last")).unwrap();
            last.sync_all().unwrap();
            if round % 2 == 1 {
                copies.push(image.copy());
            }
        }
        mounted.unmount();
        let logs: String = copies.iter().map(log).collect();
        // The journal revokes metadata, and escapes content that looks like itself, where it has content.
        assert!(logs.contains(if data == "journal" { "flags 0x3" } else { "revoke" }), "{options:?} {data}");
        assert!(data == "ordered" || copies.iter().any(|copy| goes_round(&log(copy))), "{options:?} {data}");
        for copy in copies {
            judge(&copy);
        }
    }
}

/// The journal as debugfs lists it. It asks for nothing else of a file system that is not whole before recovery.
fn log(image: &Image) -> String {
    let output = tool("debugfs", &["-c", "-R", "logdump -a", &image.target()]);
    String::from_utf8(output.stdout).unwrap()
}

/// Whether the log ends before the place where it begins.
fn goes_round(log: &str) -> bool {
    let block_after = |line: &str| -> u64 {
        let at = line.find("at block ").unwrap() + "at block ".len();
        line[at..].split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let blocks = log.lines().filter(|line| line.starts_with("Found expected sequence"));
    let blocks: Vec<u64> = blocks.map(block_after).collect();
    !blocks.is_sorted()
}

//! Cards with one thing wrong each.

use std::fs::{self, OpenOptions};
use std::process::Command;

use hc_firstboot::report::ReportStatus;
use hc_firstboot::state::{Outcome, PhaseName, Status};
use hcimage_testkit::base::base;
use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::hcimage::hcimage;
use hcimage_testkit::tools::{debugfs, debugfs_write, partitions, run};

use crate::card::{BLOCK, Card, failed, state};

#[test]
fn an_image_that_was_not_booted_is_whole() {
    let said =
        Card::new().must_say(0, &["Nothing is wrong", "not booted yet", "pi-1", "digests of the build"]);
    assert!(!said.contains("PROBLEM") && !said.contains("Warning"), "{said}");
}

/// The card is larger than the image, so that a copy of it has room behind the last partition.
#[test]
fn a_larger_card_is_as_good() {
    let card = Card::new();
    let file = OpenOptions::new().write(true).open(&card.image).unwrap();
    file.set_len(file.metadata().unwrap().len() + (256 << 20)).unwrap();
    card.must_say(0, &["not booted yet"]);
}

#[test]
fn a_ready_node_is_well() {
    let card = Card::new();
    let state = state(Outcome::Ready, PhaseName::Finish, Status::Done);
    card.left(&state, Some(ReportStatus::Ready));
    card.put("/var/lib/hcimage/finished", "");
    card.must_say(0, &["Nothing is wrong: the first boot is over", "node pi-1 Ready"]);
}

#[test]
fn a_failed_boot_is_told_with_its_fix() {
    let card = Card::new();
    let failure = failed("no network: no carrier on eth0", "plug in the network cable, check the switch");
    card.left(&failure, Some(ReportStatus::Failed));
    let kernel = "mmc0: Timeout waiting for hardware interrupt.\nhwmon hwmon1: Undervoltage detected!\n";
    card.put_private(
        "/var/lib/hcimage/last-failure.log",
        &format!("# Saved\n\n== kernel ==\n{kernel}\n== first boot ==\nx\n\n== k3s ==\nlevel=fatal msg=\"Node password rejected\"\n"),
    );
    let said = card.must_say(
        1,
        &[
            "the first boot failed: no network: no carrier on eth0",
            "to do: plug in the network cable",
            "the card did not answer its slot in time (once",
            "too little voltage",
            "k3s' log: the server rejects this node's password",
            "stopped in    network",
        ],
    );
    assert!(said.find("PROBLEM").unwrap() < said.find("Warning").unwrap(), "{said}");
    let json: serde_json::Value = serde_json::from_str(&card.doctor(&["--json"]).stdout).unwrap();
    assert_eq!(json["findings"][0]["severity"], "problem");
    assert_eq!(json["state"]["phases"][1]["status"], "failed");
}

#[test]
fn a_boot_that_the_power_ended_goes_on() {
    let card = Card::new();
    card.left(&state(Outcome::Running, PhaseName::K3s, Status::Running), None);
    card.must_say(1, &["the first boot is not finished: the power ended in the phase k3s", "power it on"]);
}

/// The new state is in the journal alone, as after a power cut: it is read, and not written to its place.
#[test]
fn a_journal_is_replayed_in_memory() {
    let card = Card::new();
    card.left(&state(Outcome::Running, PhaseName::Host, Status::Running), None);
    let mut after = serde_json::to_vec(&failed("it is in the journal", "read it")).unwrap();
    // Blanks behind the value, up to the size that the inode says.
    let size = fs::metadata(card.dir.path().join("text")).unwrap().len();
    after.resize(usize::try_from(size).unwrap(), b' ');
    after.resize(usize::try_from(BLOCK).unwrap(), 0);
    let block = card.dir.path().join("block");
    fs::write(&block, &after).unwrap();
    let script = card.dir.path().join("script");
    let place = card.block("/var/lib/hcimage/state.json");
    fs::write(&script, format!("jo\njw -b {place} {}\njc\n", block.display())).unwrap();
    let root = format!("{}?offset={}", card.image.display(), partitions(&card.image).0.start);
    run(Command::new("debugfs").arg("-w").arg("-f").arg(&script).arg(&root));
    let said = card.must_say(
        1,
        &["it is in the journal", "the power was cut while it was in use", "replayed in memory"],
    );
    assert!(!said.contains("cannot be read"), "{said}");
}

#[test]
fn errors_that_the_kernel_has_noted_are_told() {
    let card = Card::new();
    for field in [
        "error_count 7",
        "last_error_time 20261120103000",
        "last_error_func ext4_find_entry",
        "last_error_line 1455",
        "last_error_block 4711",
    ] {
        debugfs_write(&card.image, &format!("ssv {field}"));
    }
    card.must_say(
        4,
        &["has noted 7 errors", "2026-11-20 10:30:00", "ext4_find_entry, line 1455, block 4711", "e2fsck -f"],
    );
}

#[test]
fn a_damaged_bundle_and_a_damaged_state_are_told() {
    let card = Card::new();
    card.poke(partitions(&card.image).0.start + card.block("/usr/local/bin/k3s") * BLOCK + 100, b"another");
    card.put_private("/var/lib/hcimage/state.json", "{");
    card.must_say(4, &["the bundle is damaged: /usr/local/bin/k3s: its SHA-256", "state.json is damaged"]);
}

#[test]
fn damaged_file_systems_are_told() {
    let card = Card::new();
    // A bit of the root's bitmap of blocks, whose checksum then fails.
    let (root, boot) = partitions(&card.image);
    card.poke(root.start + 1024 + 0x78, b"X");
    card.must_say(4, &["partition 2 (ext4) cannot be read", "superblock"]);

    let card = Card::new();
    // The second copy of the FAT: the report is still read.
    card.left(&failed("no cable", "plug one in"), Some(ReportStatus::Failed));
    let sectors = |at: u64| {
        let mut bytes = [0; 4];
        let file = fs::File::open(&card.image).unwrap();
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, boot.start + at).unwrap();
        u32::from_le_bytes(bytes)
    };
    let reserved = u64::from(sectors(14) & 0xffff);
    let fat = match u64::from(sectors(22) & 0xffff) {
        0 => u64::from(sectors(36)),
        sectors => sectors,
    };
    card.poke(boot.start + (reserved + fat) * 512 + 64, &[0x55; 16]);
    card.must_say(4, &["copies of the FAT differ", "failed: no cable"]);
}

#[test]
fn a_full_root_is_told() {
    let card = Card::new();
    card.left(&failed("writing /var/lib/hcimage/state.json: no space", "use a larger card"), None);
    debugfs_write(&card.image, "write /dev/null filler");
    let said = debugfs(&card.image, "stats");
    let free = said.lines().find_map(|line| line.strip_prefix("Free blocks:")).expect("the free blocks");
    let free: u64 = free.trim().parse().unwrap();
    debugfs_write(&card.image, &format!("fallocate filler 0 {}", free - 11));
    card.must_say(1, &["is full: ", "KiB"]);

    // The count of the whole file system says nothing: Linux takes the sum of the groups'.
    let card = Card::new();
    card.left(&failed("no cable", "plug one in"), None);
    debugfs_write(&card.image, "ssv free_blocks_count 10");
    assert!(!card.must_say(1, &["no cable"]).contains("is full"));
}

#[test]
fn what_is_no_card_of_ours_is_told() {
    let foreign = Card::of(base("pi-os-bookworm-like"));
    foreign.must_say(3, &["hcimage has not built this", "hcimage build"]);
    let card = Card::new();
    fs::write(&card.image, vec![b'x'; 1 << 20]).unwrap();
    card.must_say(3, &["not a disk image", "give a whole card"]);
    let card = Card::new();
    let file = OpenOptions::new().write(true).open(&card.image).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    card.must_say(4, &["truncated", "flash it again"]);
}

#[test]
fn a_mounted_boot_partition_tells_what_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let boot = dir.path().join("bootfs");
    fs::create_dir(&boot).unwrap();
    let doctor = |code: i32, words: &[&str]| {
        let said = outcome(hcimage(dir.path()).arg("doctor").arg(&boot));
        assert_eq!(said.status.code(), Some(code), "{}", said.both());
        words.iter().for_each(|word| assert!(said.stdout.contains(word), "{word}: {}", said.both()));
    };
    doctor(3, &["this folder is no boot partition"]);
    fs::write(boot.join("cmdline.txt"), "root=PARTUUID=1-2\n").unwrap();
    doctor(1, &["no report on the boot partition", "the whole card"]);
    let report = "hcimage first boot\r\n\r\nNode:    pi-1\r\nResult:  failed: no cable\r\n\r\nWhat is wrong:  no cable\r\n\
        What to do:     plug one in\r\n\r\nHCIMAGE-REPORT-END failed\r\n";
    fs::write(boot.join("hcimage-status.txt"), report).unwrap();
    doctor(1, &["failed: no cable", "to do: plug one in", "the boot partition alone"]);
    fs::write(boot.join("hcimage-status.txt"), &report[..60]).unwrap();
    doctor(1, &["has no end"]);
    fs::write(
        boot.join("hcimage-status.txt"),
        "Node: pi-1\nResult: node pi-1 Ready\nHCIMAGE-REPORT-END ready\n",
    )
    .unwrap();
    doctor(0, &["Nothing is wrong"]);
}

/// A terminal sees no command of a stranger's card.
#[test]
fn escape_sequences_do_not_reach_a_terminal() {
    let card = Card::new();
    card.left(&failed("says \u{1b}[2J\u{9b}31m", "look\u{202e}"), None);
    let said = card.must_say(1, &["says \\u{1b}[2J"]);
    assert!(said.chars().all(|c| c == '\n' || !c.is_control()) && !said.contains('\u{202e}'));
}

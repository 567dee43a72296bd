//! External tools as checks of images. One that is missing fails the test: `make setup` installs them all.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::external_tool::{Outcome, outcome};
use crate::sparse;

/// Runs a tool and returns what it printed to stdout; anything but success fails the test.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    succeed(command).stdout
}

#[track_caller]
fn succeed(command: &mut Command) -> Outcome {
    let outcome = outcome(command);
    assert!(outcome.status.success(), "{command:?} said:\n{}", outcome.both());
    outcome
}

/// A partition as sfdisk sees it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub start: u64,
    pub size: u64,
}

/// The partitions as sfdisk reads them: root (the largest Linux one) and FAT (the one with a FAT's type).
pub fn partitions(image: &Path) -> (Range, Range) {
    let table: Value =
        serde_json::from_str(&run(Command::new("sfdisk").arg("-J").arg(image))).expect("sfdisk's JSON");
    let partitions = table["partitiontable"]["partitions"].as_array().expect("a list of partitions").clone();
    let range = |types: &[&str]| {
        let matching = partitions.iter().filter(|p| types.contains(&p["type"].as_str().unwrap_or_default()));
        let largest =
            matching.max_by_key(|p| p["size"].as_u64()).unwrap_or_else(|| panic!("{types:?} in {table}"));
        let bytes = |key: &str| largest[key].as_u64().expect("a number of sectors") * 512;
        Range { start: bytes("start"), size: bytes("size") }
    };
    let root = range(&[
        "83",
        "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
        "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
        "B921B045-1DF0-41C3-AF44-4C6F280D3FAE",
    ]);
    let boot = range(&["c", "b", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"]);
    (root, boot)
}

/// Partition table and both file systems pass the checkers of the people who wrote them.
pub fn check(image: &Path, scratch: &Path) {
    let (root, boot) = partitions(image);
    run(Command::new("e2fsck").arg("-fn").arg(format!("{}?offset={}", image.display(), root.start)));
    let fat = scratch.join("check.fat");
    extract(image, boot, &fat);
    run(Command::new("fsck.fat").arg("-n").arg(&fat));
    std::fs::remove_file(&fat).expect("removing a copy of the FAT");
    let table = run(Command::new("sfdisk").arg("--verify").arg(image));
    assert!(table.contains("No errors detected"), "{table}");
    if table_is_gpt(image) {
        let said = run(Command::new("sgdisk").arg("-v").arg(image));
        assert!(said.contains("No problems found"), "{said}");
    }
}

fn table_is_gpt(image: &Path) -> bool {
    run(Command::new("sfdisk").arg("-J").arg(image)).contains("\"gpt\"")
}

/// A partition as a file of its own, with holes where it has them.
pub fn extract(image: &Path, range: Range, out: &Path) {
    let source = File::open(image).expect("opening the image");
    let copy = File::create(out).expect("creating a copy");
    copy.set_len(range.size).expect("sizing a copy");
    let mut buffer = vec![0; 1 << 20];
    for piece in sparse::data(&source, range.start, range.start + range.size) {
        let bytes = sparse::read(&source, &piece, &mut buffer);
        copy.write_all_at(bytes, piece.start - range.start).expect("writing a copy");
    }
}

/// Both files hold the same bytes, whatever of them is a hole. `cmp` says the same, but reads every hole.
pub fn assert_same_bytes(one: &Path, other: &Path) {
    let [a, b] =
        [one, other].map(|path| File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
    let [len, other_len] = [&a, &b].map(|file| file.metadata().expect("stat of an image").len());
    assert_eq!(len, other_len, "sizes of {} and {}", one.display(), other.display());
    let (mut from_a, mut from_b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    for piece in sparse::data(&a, 0, len).chain(sparse::data(&b, 0, len)) {
        let same = sparse::read(&a, &piece, &mut from_a) == sparse::read(&b, &piece, &mut from_b);
        assert!(same, "{} and {} differ in bytes {piece:?}", one.display(), other.display());
    }
}

/// What debugfs says to a command on the root file system, on both streams: its results and, since it exits with 0
/// whatever happened, its errors.
#[track_caller]
pub fn debugfs(image: &Path, request: &str) -> String {
    let (root, _) = partitions(image);
    let place = format!("{}?offset={}", image.display(), root.start);
    succeed(Command::new("debugfs").args(["-R", request]).arg(place)).both()
}

/// A file of the root file system as text, by way of a file in `scratch`; none where debugfs does not find it.
pub fn dump(image: &Path, path: &str, scratch: &Path) -> Option<String> {
    let file = scratch.join("dumped");
    let said = debugfs(image, &format!("dump {path} {}", file.display()));
    if said.contains("File not found by ext2_lookup") {
        return None;
    }
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{path}: {error}; debugfs said:\n{said}"));
    std::fs::remove_file(&file).expect("removing a dump");
    Some(String::from_utf8(bytes).unwrap_or_else(|error| panic!("{path}: {error}")))
}

/// As [`debugfs`], but it may write.
pub fn debugfs_write(image: &Path, request: &str) {
    let (root, _) = partitions(image);
    let place = format!("{}?offset={}", image.display(), root.start);
    let said = succeed(Command::new("debugfs").args(["-w", "-R", request]).arg(place)).both();
    // It exits with 0 whatever happened; these are the lines of one that went well.
    let usual = |line: &str| line.starts_with("debugfs ") || line.starts_with("Allocated inode");
    assert!(said.lines().all(usual), "{request}: {said}");
}

/// Puts a text at a path of the root file system, by way of a file in `scratch`, in place of a file that may be there.
pub fn debugfs_put(image: &Path, text: &str, path: &str, scratch: &Path) {
    let file = scratch.join("text");
    std::fs::write(&file, text).expect("writing a text");
    // Where it is there and stays, the next call says so.
    let root = format!("{}?offset={}", image.display(), partitions(image).0.start);
    run(Command::new("debugfs").args(["-w", "-R", &format!("rm {path}"), &root]));
    debugfs_write(image, &format!("write {} {path}", file.display()));
}

/// The entries of a partition table as sfdisk dumps it, without the image's name and blanks: `1:start=2048,size=...`. Of
/// a GPT's hybrid MBR with `nested`.
pub fn entries(image: &Path, nested: bool) -> Vec<String> {
    let nested = if nested { &["--label-nested", "dos"][..] } else { &[] };
    let dump = run(Command::new("sfdisk").args(nested).arg("--dump").arg(image));
    let entries = dump.lines().filter_map(|line| line.strip_prefix(image.to_str()?));
    entries.map(|entry| entry.replace(' ', "")).collect()
}

/// A file of the FAT partition as mtools reads it.
pub fn mtype(image: &Path, path: &str) -> Vec<u8> {
    let (_, boot) = partitions(image);
    let mut command = Command::new("mcopy");
    command.arg("-i").arg(format!("{}@@{}", image.display(), boot.start)).arg(format!("::{path}")).arg("-");
    let output = command.output().expect("running mcopy; run `make setup`");
    assert!(output.status.success(), "{command:?} said:\n{}", Outcome::of(&output).both());
    output.stdout
}

//! A card that does not give back what was written onto it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use hc_firstboot::report::ReportStatus;
use hcimage::run::Network;

use crate::guest::Guest;
use hcimage_testkit::base::base;
use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::hcimage::{build, hcimage, succeed};
use hcimage_testkit::tools::{debugfs, mtype, partitions};

/// Bytes in a block of the base's file system.
const BLOCK: u64 = 4096;

#[test]
fn a_flipped_byte_in_the_bundle_stops_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("node.img");
    let mut command = build(dir.path(), "pc", &base("debian-pc-amd64"));
    succeed(command.args(["--output", "node.img", "--address", "10.0.2.50/24", "--gateway", "10.0.2.2"]));
    flip_a_byte_of(&image, "/usr/local/bin/k3s");

    let mut guest = Guest::start("hc-1", "pc", &image, Network::Alone { forward: None }, None);
    guest.wait_for_end(ReportStatus::Failed);
    guest.power_off();
    let status = String::from_utf8(mtype(&image, "hcimage-status.txt")).unwrap();
    assert!(status.contains("the bundle is damaged: /usr/local/bin/k3s"), "{status}");
    let wanted = debugfs(&image, "ls -p /etc/systemd/system/multi-user.target.wants");
    assert!(!wanted.contains("/k3s.service/"), "k3s must not be enabled with a damaged bundle: {wanted}");
    // The card says why it stopped, and still gives back the wrong byte.
    let told = outcome(hcimage(dir.path()).arg("doctor").arg(&image));
    assert_eq!(told.status.code(), Some(4), "{}", told.both());
    for words in ["the bundle is damaged: /usr/local/bin/k3s", "to do:"] {
        assert!(told.stdout.contains(words), "{words}: {}", told.both());
    }
}

/// In the middle of the file, where neither size nor anything else of the file system changes.
fn flip_a_byte_of(image: &Path, path: &str) {
    let blocks = debugfs(image, &format!("blocks {path}"));
    let blocks: Vec<u64> = blocks.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let (root, _) = partitions(image);
    let at = root.start + blocks[blocks.len() / 2] * BLOCK + 100;
    let file = OpenOptions::new().read(true).write(true).open(image).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

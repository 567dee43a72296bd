//! A base from the future.

use std::time::{SystemTime, UNIX_EPOCH};

use hcimage_testkit::hcimage::{build, hcimage};

use super::limits::{Copy, succeeds};

/// The first second of the year 2100.
const FUTURE: u64 = 4_102_444_800;

fn floor(seed: &str) -> u64 {
    let line = seed.lines().find_map(|line| line.strip_prefix("floor = ")).unwrap();
    line.replace('_', "").parse().unwrap()
}

#[test]
fn a_time_of_the_superblock_sets_no_clock_forward() {
    let copy = Copy::of("pi-os-bookworm-like");
    // debugfs notes its clock's time as that of the last write.
    copy.debugfs_at(&["set_super_value mtime 4102444800".to_owned()], Some(FUTURE));
    let said = succeeds(&build(copy.dir.path(), "cm4", &copy.image));
    assert!(said.stderr.contains("warning") && said.stderr.contains("days from now"), "{}", said.stderr);
    let mut cat = hcimage(copy.dir.path());
    let seed = succeeds(cat.arg("cat").arg("hc-1-cm4.img:/etc/hcimage/seed.toml")).stdout;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(floor(&seed) <= now, "{seed}");
}

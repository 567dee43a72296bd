//! `hcimage diff`, of images and of manifests.

use std::fs;
use std::path::Path;

use hcimage_testkit::base::base;
use hcimage_testkit::hcimage::{build, fail, hcimage, succeed};
use hcimage_testkit::tools::{debugfs_put, debugfs_write};

fn node(dir: &Path, name: &str) -> String {
    let image = format!("{name}.img");
    let mut command = build(dir, "cm4", &base("debian-pi-arm64"));
    succeed(command.args(["--hostname", name, "--output", &image]));
    image
}

fn diff(dir: &Path, first: &str, second: &str) -> String {
    succeed(hcimage(dir).args(["diff", first, second]))
}

#[test]
fn two_nodes_differ_in_what_is_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (node(dir.path(), "pi-1"), node(dir.path(), "pi-22"));
    assert_eq!(diff(dir.path(), &one, &one), "no difference\n");
    let said = diff(dir.path(), &one, &other);
    assert!(said.contains("/etc/hostname: size 5 and 6\n"), "{said}");
    assert!(said.lines().count() < 20, "{said}");
    let manifests = diff(dir.path(), &format!("{one}.manifest.json"), &format!("{other}.manifest.json"));
    assert!(manifests.contains("/etc/hostname: size 5 and 6\n"), "{manifests}");
    fail(
        hcimage(dir.path()).args(["diff", &one, &format!("{other}.manifest.json")]),
        1,
        &["two of the same kind"],
    );
    fail(hcimage(dir.path()).args(["diff", &one, "none.img"]), 1, &["none.img"]);
}

#[test]
fn a_change_by_another_program_is_found_and_its_content_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let one = node(dir.path(), "pi-1");
    let other = dir.path().join("other.img");
    fs::copy(dir.path().join(&one), &other).unwrap();
    debugfs_put(&other, "pi-9\n", "/etc/hostname", dir.path());
    debugfs_put(&other, "pi-9\n", "/etc/new", dir.path());
    for request in [
        "set_inode_field /etc/fstab mode 0100600",
        "unlink /etc/issue",
        "symlink /etc/issue /etc/motd",
        "mkdir /etc/dir",
    ] {
        debugfs_write(&other, request);
    }
    let said = diff(dir.path(), &one, "other.img");
    for line in [
        "/etc/hostname: content",
        "/etc/new: only in the second: a file of 5 bytes",
        "/etc/fstab: mode 0644 and 0600",
        "/etc/issue: a file and a link",
        "/etc/dir: only in the second: a directory",
    ] {
        assert!(said.contains(line), "{line:?} is missing in\n{said}");
    }
    assert!(!said.contains("pi-9"), "{said}");
}

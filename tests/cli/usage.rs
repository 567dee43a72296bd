//! Wrong usage is told before any work is done.

use std::fs;
use std::path::Path;

use crate::support::base::base;
use crate::support::hcimage::{build, fail, hcimage, names, succeed};

/// Fails with code 2 and leaves the folder as it was.
fn refused(arguments: &[&str], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = hcimage(folder.path());
    fail(command.args(["build", "--board", "cm4", "--base", "none.img"]).args(arguments), 2, words);
    assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
}

#[test]
fn an_invalid_address_is_refused() {
    refused(&["--address", "192.168.1.300/24"], &["192.168.1.300/24", "--address"]);
    refused(&["--address", "192.168.1.10"], &["192.168.1.10", "/24"]);
    refused(&["--address", "192.168.1.0/24"], &["192.168.1.0/24", "network"]);
    refused(&["--address", "192.168.1.10/24", "--gateway", "10.0.0.1"], &["10.0.0.1", "192.168.1.0/24"]);
}

#[test]
fn an_invalid_hostname_is_refused() {
    refused(&["--hostname", "my_node"], &["my_node", "--hostname"]);
    refused(&["--hostname=-x"], &["-x", "--hostname"]);
}

#[test]
fn an_unknown_board_is_answered_with_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    fail(hcimage(folder.path()).args(["build", "--board", "cm9"]), 2, &["\"cm9\"", "cm4, pc"]);
}

#[test]
fn a_board_without_a_default_base_asks_for_one() {
    let folder = tempfile::tempdir().unwrap();
    fail(hcimage(folder.path()).args(["build", "--board", "pc"]), 2, &["no default base", "--base"]);
    assert!(!names(folder.path()).iter().any(|name| name.ends_with(".img")));
}

#[test]
fn a_manifest_with_a_name_that_k3s_would_not_take_is_refused() {
    refused(&["--manifest", "My_App.yaml"], &["My_App.yaml", "small letters"]);
}

#[test]
fn an_existing_output_is_kept_unless_replacing_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("node.img");
    fs::write(&output, "precious").unwrap();
    let base = base("pi-os-bookworm-like");
    let command = || {
        let mut command = build(folder.path(), "cm4", &base);
        command.args(["--output", "node.img"]);
        command
    };
    fail(&mut command(), 1, &["node.img exists already", "--overwrite"]);
    assert_eq!(fs::read_to_string(&output).unwrap(), "precious");
    succeed(command().arg("--overwrite"));
    assert!(output.metadata().unwrap().len() > 1 << 20);
}

#[test]
fn an_unwritable_output_is_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let base = base("pi-os-bookworm-like");
    // Neither root nor anybody else can make a file there.
    for output in ["missing/node.img", "/proc/node.img"] {
        let mut command = build(folder.path(), "cm4", &base);
        fail(command.args(["--output", output]), 1, &["writing", output]);
    }
    assert!(!Path::new("missing").exists());
}

#[test]
fn the_summary_is_json_where_asked() {
    let folder = tempfile::tempdir().unwrap();
    let said = succeed(build(folder.path(), "cm4", &base("pi-os-bookworm-like")).arg("--json"));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["hostname"], "hc-1");
    assert_eq!(said["image"], "hc-1-cm4.img");
    assert_eq!(said["manifest"], "hc-1-cm4.manifest.json");
}

#[test]
fn cat_of_what_is_not_there_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("{}:/etc/nothing", base("pi-os-bookworm-like").display());
    fail(hcimage(folder.path()).arg("cat").arg(&place), 1, &["/etc/nothing", "not found"]);
    fail(hcimage(folder.path()).arg("ls").arg("no-colon.img"), 2, &["pi.img:/etc/fstab"]);
}

//! The same checks for an image that somebody downloaded: `make real-image IMAGE=… BOARD=…`.

use std::env;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::{BY_DHCP, MANIFEST};
use hcimage_testkit::hcimage::{build, hcimage, succeed};
use hcimage_testkit::tools::{assert_same_bytes, check};

/// What `make real-image` hands over.
fn given(variable: &str) -> String {
    let how = "run `make real-image IMAGE=... BOARD=...`";
    env::var(variable).unwrap_or_else(|error| panic!("{variable}: {error}; {how}"))
}

#[test]
#[ignore = "skipped: needs a downloaded image, make real-image IMAGE=... BOARD=..."]
fn a_real_image_passes_what_its_look_alike_passes() {
    let (base, board) = (PathBuf::from(given("HCIMAGE_REAL_IMAGE")), given("HCIMAGE_REAL_BOARD"));
    let dir = tempfile::tempdir().expect("a directory for the test");
    fs::write(dir.path().join("shop.yaml"), MANIFEST).expect("writing a manifest");
    let [first, again, twice] = ["node.img", "again.img", "twice.img"].map(|name| dir.path().join(name));
    for (from, to) in [(&base, &first), (&base, &again), (&first, &twice)] {
        let mut command = build(dir.path(), &board, from);
        succeed(command.args(BY_DHCP).arg("--output").arg(to));
    }
    check(&first, dir.path());
    assert_same_bytes(&first, &again);
    assert_same_bytes(&first, &twice);
    let text = fs::read_to_string(dir.path().join("twice.img.manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&text).expect("the manifest is JSON");
    assert_eq!(manifest["changes"], serde_json::json!([]), "nothing is left to do");

    let said = succeed(hcimage(dir.path()).args(["inspect", "--json"]).arg(&first));
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert!(said["system"]["free_bytes"].as_u64().is_some_and(|free| free > 0), "{said}");
    println!("{}: {} for {board}", base.display(), said["system"]["pretty_name"]);
}

//! The facts that golden plans are made from (tests/golden/plan.rs) are those of the bases.

use std::fs;

use hcimage_testkit::{facts, golden};

/// Packages come as the archive has them on the day when a base is made: numbers differ, and with them lists of modules
/// and time zones. Everything else must be the same.
fn without_versions(text: &str) -> String {
    let mut facts: serde_json::Value = serde_json::from_str(text).expect("facts are JSON");
    for kernel in facts["kernels"].as_array_mut().expect("a list of kernels") {
        assert!(kernel["modules"].take().as_array().is_some_and(|modules| !modules.is_empty()), "no modules");
    }
    assert!(facts["time_zones"].take().as_array().is_some_and(|zones| zones.len() > 100), "no time zones");
    let text = facts::pretty(&facts);
    let mut bare = String::with_capacity(text.len());
    for part in text.chars() {
        match part.is_ascii_digit() {
            false => bare.push(part),
            true if bare.ends_with('#') => {}
            true => bare.push('#'),
        }
    }
    bare
}

#[test]
fn facts_of_the_golden_plans_are_those_of_the_bases() {
    for name in facts::bases() {
        let (path, probed) = (facts::path(&name), facts::text(&facts::probed(&name)));
        if golden::blessing() {
            fs::write(&path, &probed).expect("writing facts");
        }
        let kept = facts::text(&facts::of(&name));
        let (kept, probed) = (without_versions(&kept), without_versions(&probed));
        let differs = kept.lines().zip(probed.lines()).find(|(kept, probed)| kept != probed);
        assert!(
            kept == probed,
            "{name}: {} is stale: HCIMAGE_BLESS=1 cargo test -p hcimage --test image facts: {differs:?}",
            path.display()
        );
    }
}

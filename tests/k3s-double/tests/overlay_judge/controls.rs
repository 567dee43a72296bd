//! What the judge must find, and what it must let pass: overlays of the tests' own, all but one with one thing wrong. The first
//! line of each says what.

use std::fs;
use std::path::Path;

use hcimage::cluster::{Checked, Report};

use crate::clusters::{ONE, load};
use crate::judge::{Judge, wait};

/// Returns what was not as the files of a folder say.
pub(crate) fn check(judge: &mut Judge, folder: &str, least: usize) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/overlay_judge").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= least, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let manifest = fs::read_to_string(&file).unwrap();
        let (head, _) = manifest.split_once('\n').unwrap();
        let dir = tempfile::tempdir().unwrap();
        let judged = match overlay(dir.path(), &manifest) {
            Ok(checked) => judge.judge(&checked, crate::PI),
            // Then it never comes to a cluster, and is no control.
            Err(report) => Ok(format!("hcimage refuses it already: {report}")),
        };
        let said = judged.as_ref().map_or_else(|found| found.join("; "), String::clone);
        let is_right =
            match (head.strip_prefix("# Must be found: "), head.strip_prefix("# Must pass, with: ")) {
                (Some(expected), _) => judged.is_err() && said.contains(expected),
                (_, Some(expected)) => judged.is_ok() && expected.split(", ").all(|part| said.contains(part)),
                _ => false,
            };
        println!("  {name}: {said}");
        if !is_right {
            wrong.push(format!("control {name}: expected {head}: {said}"));
        }
        sweep(judge);
    }
    wrong
}

/// Takes away the claims that the control for this leaves.
fn sweep(judge: &Judge) {
    let claims = "/api/v1/namespaces/default/persistentvolumeclaims";
    for claim in judge.api.list(claims) {
        judge.api.delete(&format!("{claims}/{}", claim["metadata"]["name"].as_str().unwrap()));
    }
    wait("the volumes to go", || judge.api.list("/api/v1/persistentvolumes").is_empty());
}

/// A cluster of one node with an overlay that has this manifest.
fn overlay(dir: &Path, manifest: &str) -> Result<Checked, Report> {
    let folder = dir.join("control");
    fs::create_dir_all(folder.join("manifests")).unwrap();
    let about =
        "about = \"A control of the overlay judge\"\n[[images]]\nname = \"docker.io/library/redis:8.10.1\"\n";
    fs::write(folder.join("overlay.toml"), about).unwrap();
    fs::write(folder.join("README.md"), "").unwrap();
    fs::write(folder.join("manifests/a.yaml"), manifest).unwrap();
    load(dir, "[overlays.control]", ONE)
}

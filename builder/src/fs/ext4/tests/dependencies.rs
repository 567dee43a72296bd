//! The directories of ext4 depend on each other in one direction only.

use std::fs;
use std::path::{Path, PathBuf};

/// What each directory may use of the others, as their `mod.rs` say.
const ALLOWED: &[(&str, &[&str])] = &[
    ("layout", &[]),
    ("io", &["layout"]),
    ("volume", &["layout", "io", "error"]),
    ("fsck", &["layout", "io", "volume", "error"]),
    ("ops", &["layout", "io", "volume", "error"]),
    ("resize", &["layout", "error"]),
];

#[test]
fn each_directory_uses_only_those_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fs/ext4");
    for (dir, allowed) in ALLOWED {
        let files = sources(&root.join(dir));
        assert!(!files.is_empty(), "{dir} has no sources");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for used in text.split("crate::fs::ext4::").skip(1) {
                let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                let test_only = used == "scratch";
                let ok = used == *dir || test_only || allowed.contains(&used);
                assert!(ok, "{} uses {used}", file.display());
            }
        }
    }
}

/// All sources below a directory.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut sources(&path));
        } else {
            found.push(path);
        }
    }
    found
}

//! Editors and renderers against files that are compared byte for byte: `<editor>/<case>.in` and `.out`.
//!
//! `HCIMAGE_BLESS=1 cargo test -p hcimage --test golden` writes the `.out` files anew: read the difference before it is
//! committed. `plan.rs` has whole plans for each base, `boot.rs` what is refused of their boot configuration; `external_tools.rs` asks the programs that read such files on a node; `properties.rs` tries arbitrary text.

#![cfg(test)]

mod accounts;
mod boot;
mod cases;
mod external_tools;
mod networks;
mod plan;
mod properties;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cases::{EDITS, RENDERS};
use hcimage_testkit::golden;

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn read(name: &str, suffix: &str) -> String {
    let path = dir().join(format!("{name}.{suffix}"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
}

/// Compares with the `.out` file, or writes it where that was asked for.
fn check(name: &str, got: &str) {
    let path = dir().join(format!("{name}.out"));
    golden::check(&path, got, "cargo test -p hcimage --test golden");
}

#[test]
fn editors_give_their_golden_output_and_change_it_no_further() {
    for (name, edit) in EDITS {
        let once = edit(&read(name, "in"));
        check(name, &once);
        assert_eq!(edit(&once), once, "{name}: the second time");
    }
}

#[test]
fn renderers_give_their_golden_output() {
    for (name, render) in RENDERS {
        check(name, &render());
    }
}

#[test]
fn every_golden_file_belongs_to_a_case() {
    let of_edits = EDITS.iter().flat_map(|(name, _)| [format!("{name}.in"), format!("{name}.out")]);
    let of_renders = RENDERS.iter().map(|(name, _)| format!("{name}.out"));
    let wanted: BTreeSet<String> = of_edits.chain(of_renders).collect();
    let mut found = BTreeSet::new();
    let of_plans = ["clusters", "facts", "plans"];
    for editor in fs::read_dir(dir()).unwrap().map(Result::unwrap).filter(|e| e.path().is_dir()) {
        if of_plans.iter().any(|name| editor.file_name() == *name) {
            continue;
        }
        for file in fs::read_dir(editor.path()).unwrap().map(Result::unwrap) {
            found.insert(format!("{}/{}", editor.file_name().display(), file.file_name().display()));
        }
    }
    assert_eq!(found, wanted);
}

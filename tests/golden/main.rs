//! Editors and renderers against files that are compared byte for byte: `<editor>/<case>.in` and `.out`.
//!
//! `HCIMAGE_BLESS=1 cargo test -p hcimage --test golden` writes the `.out` files anew: read the difference before it is
//! committed. `external_tools.rs` asks the programs that read such files on a node; `properties.rs` tries arbitrary text.

#![cfg(test)]

mod accounts;
mod cases;
mod external_tools;
mod networks;
mod properties;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cases::{EDITS, RENDERS};

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn read(name: &str, suffix: &str) -> String {
    let path = dir().join(format!("{name}.{suffix}"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
}

/// Compares with the `.out` file, or writes it where that was asked for.
fn check(name: &str, got: &str) {
    if std::env::var_os("HCIMAGE_BLESS").is_some() {
        let path = dir().join(format!("{name}.out"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, got).unwrap();
    }
    assert_eq!(got, read(name, "out"), "{name}");
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
    for editor in fs::read_dir(dir()).unwrap().map(Result::unwrap).filter(|e| e.path().is_dir()) {
        for file in fs::read_dir(editor.path()).unwrap().map(Result::unwrap) {
            found.insert(format!("{}/{}", editor.file_name().display(), file.file_name().display()));
        }
    }
    assert_eq!(found, wanted);
}

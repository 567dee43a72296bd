//! What hcimage finds out of each base, kept as a file: a plan for a base can then be made without its image.
//!
//! `tests/golden/facts/<base>.json` holds [`Facts`] as serde writes them.
//! `HCIMAGE_BLESS=1 cargo test -p hcimage --test image facts` makes all of them from the bases.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hcimage::os::{Facts, OsImage, probe};
use hcimage::plan::files_of_interest;
use serde_json::Value;

use crate::base::{base, root};
use crate::tools::run;

/// The names of all bases, by their recipes.
pub fn bases() -> Vec<String> {
    let list = run(Command::new(root().join("tests/bases/make.sh")).arg("--list"));
    let names: Vec<String> =
        list.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect();
    assert!(names.len() >= 18, "{names:?}");
    names
}

/// Where the facts of a base are kept.
pub fn path(base: &str) -> PathBuf {
    root().join("tests/golden/facts").join(format!("{base}.json"))
}

/// The facts of a base as they are kept.
pub fn of(base: &str) -> Facts {
    let path = path(base);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The facts of a base as its image has them.
pub fn probed(name: &str) -> Facts {
    let image = OsImage::open(&base(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    probe(&image, &files_of_interest()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// As text for a file.
pub fn text(facts: &Facts) -> String {
    pretty(&serde_json::to_value(facts).expect("facts are JSON"))
}

/// JSON with a line for each key, down to those of the files; lists of names take one line.
pub fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text + "\n"
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let Value::Object(object) = value else {
        text.push_str(&value.to_string());
        return;
    };
    if depth > 3 || object.is_empty() {
        text.push_str(&value.to_string());
        return;
    }
    for (number, (key, value)) in object.iter().enumerate() {
        text.push_str(if number == 0 { "{\n" } else { ",\n" });
        text.push_str(&"  ".repeat(depth + 1));
        text.push_str(&format!("{}: ", Value::from(key.as_str())));
        write(value, depth + 1, text);
    }
    text.push_str(&format!("\n{}}}", "  ".repeat(depth)));
}

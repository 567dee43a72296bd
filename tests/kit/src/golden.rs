//! Expected output in files of the repository.

use std::path::Path;
use std::{env, fs};

/// Whether the expected files are to be written anew: `HCIMAGE_BLESS=1`.
pub fn blessing() -> bool {
    env::var_os("HCIMAGE_BLESS").is_some()
}

/// Compares with a file of the repository, or writes it where that was asked for; `how` is the command that does.
#[track_caller]
pub fn check(path: &Path, got: &str, how: &str) {
    if blessing() {
        fs::create_dir_all(path.parent().expect("a file in a directory")).expect("making a directory");
        fs::write(path, got).unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
    }
    let want = fs::read_to_string(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    assert!(
        got == want,
        "{} is stale; HCIMAGE_BLESS=1 {how} writes it anew:\n{}",
        path.display(),
        difference(&want, got)
    );
}

/// The first lines that differ: a whole file would hide them.
fn difference(want: &str, got: &str) -> String {
    let (mut want, mut got) = (want.lines(), got.lines());
    for number in 1.. {
        match (want.next(), got.next()) {
            (None, None) => break,
            (want, got) if want != got => {
                return format!("line {number}: expected {want:?}, found {got:?}");
            }
            _ => {}
        }
    }
    "only the line ends differ".to_owned()
}

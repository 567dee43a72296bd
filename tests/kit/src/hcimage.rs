//! The program under test, with nothing of the user's around it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::base::{K3S_VERSION, k3s_release};
use crate::external_tool::{Outcome, outcome};

/// The program of the same build as the test that runs: Cargo puts tests into a directory beside it.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the running test");
    let program = test.ancestors().nth(2).expect("a test is in target/<profile>/deps").join("hcimage");
    assert!(program.is_file(), "{} is missing: cargo builds it with the tests of hcimage", program.display());
    program
}

/// hcimage in `dir`, with a cache of its own there.
pub fn hcimage(dir: &Path) -> Command {
    let mut command = Command::new(program());
    command.current_dir(dir).env("HCIMAGE_CACHE", dir.join("cache")).env_remove("SOURCE_DATE_EPOCH");
    command
}

/// `hcimage build` of a base with the stand-in for k3s.
pub fn build(dir: &Path, board: &str, base: &Path) -> Command {
    let mut command = hcimage(dir);
    command
        .args(["build", "--board", board, "--base"])
        .arg(base)
        .arg("--k3s")
        .arg(k3s_release().join(K3S_VERSION));
    command
}

/// Runs it, expects it to succeed, and returns its results: what it wrote to stdout.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    succeed_loudly(command).stdout
}

/// The same with both streams, for what is said of progress and as a warning.
#[track_caller]
pub fn succeed_loudly(command: &mut Command) -> Outcome {
    let outcome = outcome(command);
    assert!(outcome.status.success(), "{command:?}\n{}", outcome.both());
    outcome
}

/// Runs it and expects it to fail with `code`, to say each of `words` on stderr, and to give no result on stdout.
#[track_caller]
pub fn fail<S: AsRef<str>>(command: &mut Command, code: i32, words: &[S]) {
    assert!(!words.is_empty(), "a failure says why");
    let Outcome { status, stdout, stderr } = outcome(command);
    assert_eq!(status.code(), Some(code), "{command:?}\n{stdout}{stderr}");
    for word in words {
        assert!(stderr.contains(word.as_ref()), "{:?} is not on stderr:\n{stderr}", word.as_ref());
    }
    assert_eq!(stdout, "", "{command:?} failed, but gave a result; stderr:\n{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// The names in a directory, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .expect("reading a test's directory")
        .map(|entry| entry.expect("reading a test's directory").file_name())
        .map(|name| OsStr::to_string_lossy(&name).into_owned())
        .collect();
    names.sort();
    names
}

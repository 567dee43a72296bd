//! The program under test, with nothing of the user's around it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use super::base::{K3S_VERSION, k3s_release};

/// hcimage in `dir`, with a cache of its own there.
pub fn hcimage(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hcimage"));
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

/// Runs it and expects it to succeed.
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("starting hcimage");
    assert!(output.status.success(), "{command:?}\n{}", text(&output));
    String::from_utf8(output.stdout).expect("hcimage prints UTF-8")
}

/// Runs it and expects it to fail with `code` and to say each of `words`.
pub fn fail<S: AsRef<str>>(command: &mut Command, code: i32, words: &[S]) {
    let output = command.output().expect("starting hcimage");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{said}");
    for word in words {
        assert!(said.contains(word.as_ref()), "{:?} is missing in:\n{said}", word.as_ref());
    }
    assert!(!said.contains("panicked"), "{said}");
}

/// Everything that a program said.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
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

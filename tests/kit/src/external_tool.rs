//! External programs that check what hcimage writes. They are found by name, also where a plain user's `PATH` does not
//! look, and a missing one fails its test with the package to install. Those of services are found in the root directory
//! of [`checkers`], and nowhere else.
//!
//! `HCIMAGE_QUICK=1` is for machines without Debian packages: there a check whose program is missing is skipped, and
//! says so. Nothing else skips.

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};

use crate::checkers;

/// Directories with programs for root, which Debian leaves out of a plain user's `PATH`.
const MORE_DIRS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// What a program left behind: its status and both of its streams as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// Its results.
    pub stdout: String,
    /// Its progress, warnings and errors.
    pub stderr: String,
}

impl Outcome {
    /// Of a program that has ended; what is not UTF-8 is shown as U+FFFD.
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Both streams, for programs that put what matters on either, and for messages of tests.
    pub fn both(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The same, but a test fails where the program did not succeed.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.status.success(), "{}\n{}", self.status, self.both());
        self
    }
}

/// Whether a check can be made: the program is there. Where it is not, the check is skipped or its test fails.
///
/// # Panics
/// Where the program is missing, unless `HCIMAGE_QUICK=1` is set.
#[track_caller]
pub fn external_tool(name: &str, package: &str) -> bool {
    let there = checkers::have(name).unwrap_or_else(|| find(name).is_some());
    there_or_skipped(there, name, package)
}

/// The same for a module of Python.
#[track_caller]
pub fn python_module(name: &str, package: &str) -> bool {
    let import =
        Command::new("python3").args(["-c", &format!("import {name}")]).stderr(Stdio::null()).status();
    there_or_skipped(import.is_ok_and(|status| status.success()), &format!("Python's module {name}"), package)
}

/// The same for namespaces in which a plain user is root, which a container may forbid.
#[track_caller]
pub fn user_namespaces() -> bool {
    let mut unshare = Command::new("unshare");
    let status = unshare
        .args(["--user", "--map-root-user", "--net", "--mount", "true"])
        .stderr(Stdio::null())
        .status();
    there_or_skipped(status.is_ok_and(|status| status.success()), "user namespaces by unshare", "util-linux")
}

#[track_caller]
fn there_or_skipped(there: bool, what: &str, package: &str) -> bool {
    if !there {
        let quick = env::var_os("HCIMAGE_QUICK").is_some_and(|value| value == "1");
        assert!(quick, "{what} is missing: apt-get install {package}, or `make setup` for all tools");
        // Past the test harness, which keeps what a macro prints to itself where the test passes.
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED: needs {what} (package {package})");
    }
    there
}

/// Ends a test here where a program that it needs is missing and `HCIMAGE_QUICK=1` allows to skip it:
/// `needs!("nmcli" from "network-manager")`.
#[macro_export]
macro_rules! needs {
    ($($name:literal from $package:literal),+) => {
        $(if !$crate::external_tool::external_tool($name, $package) {
            return;
        })+
    };
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(MORE_DIRS.map(PathBuf::from));
    dirs.map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// Runs a program to its end, whatever that is.
#[track_caller]
pub fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; run `make setup`"));
    Outcome::of(&output)
}

/// Runs a program that reads `input` on stdin.
#[track_caller]
pub fn outcome_with_input(command: &mut Command, input: &str) -> Outcome {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run `make setup`"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A program that has seen enough may have closed its end: its status says whether that is well.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    Outcome::of(&child.wait_with_output().expect("waiting for a program"))
}

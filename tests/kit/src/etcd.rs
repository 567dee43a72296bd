//! A real etcd for the stand-in of k3s, of a Debian package that is not installed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::base;

/// The path of the program for this machine, fetched if it is not in the cache.
pub fn program() -> PathBuf {
    let output = Command::new(base::root().join("tests/bases/make.sh"))
        .arg("--etcd")
        .stderr(Stdio::inherit())
        .output()
        .expect("running tests/bases/make.sh");
    assert!(output.status.success(), "tests/bases/make.sh --etcd failed");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path is UTF-8 here").trim())
}

//! Programs of Debian packages that are not installed, because they would start a service.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::base;

/// The directory with the files of `packages`, fetched if they are not in the cache.
pub fn packages(packages: &[&str]) -> PathBuf {
    let output = Command::new(base::root().join("tests/bases/make.sh"))
        .arg("--unpacked")
        .args(packages)
        .stderr(Stdio::inherit())
        .output()
        .expect("running tests/bases/make.sh");
    assert!(output.status.success(), "tests/bases/make.sh --unpacked {packages:?} failed");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path is UTF-8 here").trim())
}

/// A real etcd for the stand-in of k3s.
pub fn etcd() -> PathBuf {
    packages(&["etcd-server"]).join("usr/bin/etcd")
}

/// `LD_LIBRARY_PATH` for programs in a directory with the files of packages.
pub fn libraries(root: &Path) -> String {
    let places = [
        "usr/lib/x86_64-linux-gnu",
        "lib/x86_64-linux-gnu",
        "usr/lib/aarch64-linux-gnu",
        "lib/aarch64-linux-gnu",
    ];
    places.map(|place| root.join(place).display().to_string()).join(":")
}

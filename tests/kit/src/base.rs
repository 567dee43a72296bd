//! The inputs of the tests: base images made by recipe, and a k3s release that holds a stand-in.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// The version that the release claims to be.
pub const K3S_VERSION: &str = "v1.36.2+k3s1";

/// The project's root.
pub fn root() -> PathBuf {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR"));
    kit.ancestors().nth(2).expect("this package is in tests/kit").to_owned()
}

/// The path of a base image, made by its recipe if it is not in the cache.
pub fn base(name: &str) -> PathBuf {
    let output = Command::new(root().join("tests/bases/make.sh"))
        .arg(name)
        .stderr(Stdio::inherit())
        .output()
        .expect("running tests/bases/make.sh");
    assert!(output.status.success(), "the recipe of {name} failed");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path is UTF-8 here").trim())
}

/// A directory that holds a k3s release in [`K3S_VERSION`]. The binary in it is `k3s-double`, which says of itself that it
/// is a stand-in: nothing about the real k3s is proved by it but what tests/k3s-double/README.md names.
pub fn k3s_release() -> &'static Path {
    // In a directory that outlives the process, since statics are not dropped, but that the next run replaces.
    static RELEASE: OnceLock<PathBuf> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let dir = root().join("target/k3s-double-release");
        let fresh = make_release(&["aarch64", "armv7", "x86_64"], &[]).keep();
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::rename(&fresh, &dir).expect("putting the release in its place");
        dir
    })
}

/// Such a release for some architectures, made with further arguments of make-release.sh.
pub fn make_release(architectures: &[&str], arguments: &[&str]) -> TempDir {
    let dir = TempDir::new_in(root().join("target")).expect("a directory for the release");
    let mut command = Command::new(root().join("tests/k3s-double/make-release.sh"));
    command.arg(dir.path().join(K3S_VERSION)).args(arguments);
    for architecture in architectures {
        // No test boots a 32-bit image: another program of the right kind stands there in the place of the stand-in.
        let program = if *architecture == "armv7" { "hc-firstboot" } else { "k3s-double" };
        command.arg(format!("--bin-{architecture}"));
        command.arg(root().join("target/card").join(architecture).join(program));
    }
    let status = command.stdout(Stdio::null()).status().expect("running tests/k3s-double/make-release.sh");
    assert!(
        status.success(),
        "no k3s release for the tests; `make programs-and-double` builds what it needs"
    );
    dir
}

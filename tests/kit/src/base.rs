//! The inputs of the tests: base images made by recipe, and a k3s release that holds a stand-in.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// The version that the release claims to be.
pub const K3S_VERSION: &str = "v1.36.2+k3s1";

/// A later one, as long in letters.
pub const RAISED_VERSION: &str = "v1.36.3+k3s1";

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

/// A directory that holds a release in [`RAISED_VERSION`], for PCs: the stand-in with another number in the place of its own.
pub fn raised_release() -> TempDir {
    let scratch = TempDir::new().expect("a directory for a program");
    let mut program = std::fs::read(root().join("target/card/x86_64/k3s-double")).expect("the stand-in");
    let mut places = 0_u32;
    for at in 0..program.len() - K3S_VERSION.len() {
        if program[at..].starts_with(K3S_VERSION.as_bytes()) {
            program[at..at + K3S_VERSION.len()].copy_from_slice(RAISED_VERSION.as_bytes());
            places += 1;
        }
    }
    assert_eq!(places, 1, "the stand-in does not have its version in one place");
    let path = scratch.path().join("k3s-double");
    std::fs::write(&path, program).expect("writing the stand-in");
    release_of(RAISED_VERSION, &[("x86_64", path)], &[])
}

/// A release in [`K3S_VERSION`] for some architectures, made with further arguments of make-release.sh.
pub fn make_release(architectures: &[&'static str], arguments: &[&str]) -> TempDir {
    let program = |architecture: &&'static str| {
        // No test boots a 32-bit image: another program of the right kind stands there in the place of the stand-in.
        let program = if *architecture == "armv7" { "hc-firstboot" } else { "k3s-double" };
        (*architecture, root().join("target/card").join(architecture).join(program))
    };
    release_of(K3S_VERSION, &architectures.iter().map(program).collect::<Vec<_>>(), arguments)
}

fn release_of(version: &str, programs: &[(&str, PathBuf)], arguments: &[&str]) -> TempDir {
    let dir = TempDir::new_in(root().join("target")).expect("a directory for the release");
    let mut command = Command::new(root().join("tests/k3s-double/make-release.sh"));
    command.arg(dir.path().join(version)).args(arguments);
    for (architecture, program) in programs {
        command.arg(format!("--bin-{architecture}")).arg(program);
    }
    let status = command.stdout(Stdio::null()).status().expect("running tests/k3s-double/make-release.sh");
    assert!(
        status.success(),
        "no k3s release for the tests; `make programs-and-double` builds what it needs"
    );
    dir
}

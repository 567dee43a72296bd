//! Ctrl-C half-way: the program ends in order, and nothing is left behind.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::base::{K3S_VERSION, base, make_release};
use crate::support::hcimage::{hcimage, names, text};
use crate::support::tools::run;

/// What the output's temporary file takes of the disk, in units of 512 bytes.
fn partial_blocks(folder: &Path) -> u64 {
    let partial = names(folder).into_iter().find(|name| name.ends_with(".partial"));
    partial.and_then(|name| folder.join(name).metadata().ok()).map_or(0, |metadata| metadata.blocks())
}

/// Interrupted as soon as the output's temporary file is there and has grown to half of the base.
#[test]
fn an_interrupted_build_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let release = make_release(&["--pad-images", "700000000"]);
    let base = base("pi-os-bookworm-like");
    let mut command = hcimage(folder.path());
    command.args(["build", "--board", "cm4", "--base"]).arg(&base);
    command.arg("--k3s").arg(release.path().join(K3S_VERSION)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();

    let half = base.metadata().unwrap().blocks() / 2;
    let deadline = Instant::now() + Duration::from_secs(120);
    while partial_blocks(folder.path()) < half {
        assert!(Instant::now() < deadline, "the temporary file does not grow");
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        thread::sleep(Duration::from_millis(1));
    }
    assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
    run(Command::new("kill").arg("-INT").arg(child.id().to_string()));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("interrupted: nothing was left behind"), "{}", text(&output));
    let left: Vec<String> = names(folder.path()).into_iter().filter(|name| name != "cache").collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

//! make-release.sh: a release directory that sha256sum, zstd, tar and the stand-in itself accept.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Node, PROGRAM, succeed, tool};

fn script(out: &Path, more: &[&str]) -> Command {
    let mut command = tool("bash", "bash");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("make-release.sh")).arg(out);
    command.args(["--bin-aarch64", PROGRAM, "--bin-armv7", PROGRAM, "--bin-x86_64", PROGRAM]).args(more);
    command
}

fn release(dir: &Path, name: &str, more: &[&str]) -> PathBuf {
    let out = dir.join(name);
    succeed(&mut script(&out, more));
    out
}

#[test]
fn has_the_names_and_sums_of_a_real_release() {
    let dir = tempfile::tempdir().unwrap();
    let out = release(dir.path(), "release", &[]);
    for arch in ["arm64", "arm", "amd64"] {
        succeed(
            tool("sha256sum", "coreutils")
                .args(["--strict", "-c", &format!("sha256sum-{arch}.txt")])
                .current_dir(&out),
        );
        let archive = out.join(format!("k3s-airgap-images-{arch}.tar.zst"));
        succeed(tool("zstd", "zstd").arg("-tq").arg(&archive));
        let names = succeed(tool("tar", "tar").arg("--zstd").arg("-tf").arg(&archive));
        assert!(names.lines().any(|name| name == "manifest.json"), "{names}");
    }
    for (arch, program) in [("arm64", "k3s-arm64"), ("arm", "k3s-armhf"), ("amd64", "k3s")] {
        let sums = fs::read_to_string(out.join(format!("sha256sum-{arch}.txt"))).unwrap();
        assert!(sums.lines().any(|line| line.ends_with(&format!("  {program}"))), "{sums}");
    }
}

#[test]
fn padding_has_the_size_asked_for_and_the_binary_still_runs() {
    let dir = tempfile::tempdir().unwrap();
    let size = fs::metadata(PROGRAM).unwrap().len() + 12_345;
    let more = ["--pad-binary", &size.to_string(), "--pad-images", "500000"];
    let out = release(dir.path(), "one", &more);
    assert_eq!(fs::metadata(out.join("k3s")).unwrap().len(), size);
    assert!(fs::metadata(out.join("k3s-airgap-images-amd64.tar.zst")).unwrap().len() > 500_000);
    assert!(succeed(Command::new(out.join("k3s")).arg("--version")).contains("stand-in"));
    let again = release(dir.path(), "two", &more);
    succeed(tool("diff", "diffutils").arg("-r").arg(&out).arg(&again));
}

#[test]
fn the_stand_in_imports_its_image_and_its_node_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = release(dir.path(), "release", &[]);
    let node = Node::server("hc-1");
    let images = node.data().join("agent/images");
    fs::create_dir_all(&images).unwrap();
    fs::write(images.join(".cache.json"), "").unwrap();
    let archive = "k3s-airgap-images-amd64.tar.zst";
    fs::copy(out.join(archive), images.join(archive)).unwrap();
    let first = node.start("server");
    first.wait_for_log("Imported images from");
    node.wait_ready("hc-1", &first);
    let shown = node.run(&["kubectl", "get", "node", "hc-1", "-o", "json"]);
    let listed = fs::read_to_string(out.join("k3s-images.txt")).unwrap();
    assert!(String::from_utf8(shown.stdout).unwrap().contains(listed.trim()));
    drop(first);
    node.start("server").wait_for_log("unchanged, not imported again");
}

#[test]
fn wrong_calls_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let status = |command: &mut Command| command.output().unwrap().status.code();
    assert_eq!(status(&mut script(&out, &["--no-such-option"])), Some(2));
    assert_eq!(status(&mut script(&out, &["--pad-images", "many"])), Some(2));
    assert!(!out.exists());
    fs::create_dir(&out).unwrap();
    fs::write(out.join("mine"), "").unwrap();
    assert_eq!(status(&mut script(&out, &[])), Some(1));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

//! Ctrl-C half-way: the program ends in order, and nothing is left behind.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hcimage_testkit::base::{K3S_VERSION, base, make_release};
use hcimage_testkit::external_tool::Outcome;
use hcimage_testkit::hcimage::{hcimage, names};
use hcimage_testkit::tools::run;

/// What the output's temporary file takes of the disk, in units of 512 bytes.
fn partial_blocks(dir: &Path) -> u64 {
    let partial = names(dir).into_iter().find(|name| name.ends_with(".partial"));
    partial.and_then(|name| dir.join(name).metadata().ok()).map_or(0, |metadata| metadata.blocks())
}

/// Sends a signal to a process that this test has started.
pub(crate) fn signal(name: &str, child: &Child) {
    run(Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()));
}

/// The same command where SIGINT does what it usually does: whoever runs the tests in the background may have it ignored,
/// and hcimage respects that.
pub(crate) fn with_default_interrupt(command: &Command) -> Command {
    let mut wrapped = Command::new("env");
    wrapped.arg("--default-signal=INT").arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        wrapped.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped
}

/// Bytes of the images in the bundle.
const IMAGES: u64 = 700_000_000;

/// A build that stands still while its output is half-written. A fast machine may be done before anybody looks: such a
/// build proves nothing, so it is thrown away.
fn half_way(dir: &Path, release: &Path) -> Option<Child> {
    let base = base("pi-os-bookworm-like");
    let mut command = hcimage(dir);
    command.args(["build", "--board", "cm4", "--base"]).arg(&base).arg("--k3s").arg(release);
    let mut command = with_default_interrupt(&command);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while partial_blocks(dir) == 0 {
        assert!(Instant::now() < deadline, "the temporary file does not grow");
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
    signal("STOP", &child);
    let half = base.metadata().unwrap().blocks() + IMAGES / 2 / 512;
    if (1..half).contains(&partial_blocks(dir)) {
        return Some(child);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

#[test]
fn an_interrupted_build_leaves_nothing() {
    let release = make_release(&["aarch64"], &["--pad-images", &IMAGES.to_string()]);
    let found = (0..10).find_map(|_| {
        let dir = tempfile::tempdir().unwrap();
        half_way(dir.path(), &release.path().join(K3S_VERSION)).map(|child| (dir, child))
    });
    let (dir, child) = found.expect("ten builds were done before they could be stopped half-way");
    signal("INT", &child);
    signal("CONT", &child);
    let output = child.wait_with_output().unwrap();
    let Outcome { status, stdout, stderr } = Outcome::of(&output);
    assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
    assert!(stderr.contains("interrupted; partial output removed"), "{stderr}");
    assert_eq!(stdout, "", "what is interrupted has no result");
    let left: Vec<String> = names(dir.path()).into_iter().filter(|name| name != "cache").collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

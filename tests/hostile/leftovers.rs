//! What a run that is killed leaves is cleared away by the next one, which names it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hcimage_testkit::base::base;
use hcimage_testkit::hcimage::{build, hcimage, names, succeed_loudly};

use super::limits::put;

fn partial(dir: &Path) -> Option<String> {
    names(dir).into_iter().find(|name| name.ends_with(".partial"))
}

/// Starts a command, and kills it as soon as `seen` is there. A fast machine may be done before.
fn killed(command: &mut Command, seen: impl Fn() -> bool) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !seen() && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "nothing to be killed for");
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_build_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let base = base("pi-os-bookworm-like");
    let mut attempts = 0;
    let left = loop {
        killed(&mut build(dir.path(), "cm4", &base), || partial(dir.path()).is_some());
        if let Some(left) = partial(dir.path()) {
            break left;
        }
        attempts += 1;
        assert!(attempts < 20, "each build was done before it could be killed");
        for name in names(dir.path()).iter().filter(|name| name.starts_with("hc-1")) {
            fs::remove_file(dir.path().join(name)).unwrap();
        }
    };
    // Another build's file, which is held, and one that only looks alike.
    let held = fs::File::create(dir.path().join(".hcimage-held.partial")).unwrap();
    held.lock().unwrap();
    put(dir.path(), "my.partial", "mine");
    let said = succeed_loudly(&mut build(dir.path(), "cm4", &base));
    assert!(
        said.stderr.contains(&format!("removed ./{left}")) || said.stderr.contains(&left),
        "{}",
        said.stderr
    );
    let now = names(dir.path());
    assert!(!now.contains(&left) && now.contains(&"my.partial".to_owned()), "{now:?}");
    assert!(now.contains(&".hcimage-held.partial".to_owned()), "{now:?}");
}

/// The router of a run is QEMU itself, without a machine; nobody ends it when the run is killed.
const ROUTER_THEN_SLEEP: &str = "#!/bin/sh\ncase \"$*\" in *\"-M none\"*) exec timeout 60 /usr/bin/qemu-system-aarch64 \"$@\" ;; esac\n\
                                 exec sleep 20\n";

#[test]
fn a_machine_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let temporary = dir.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    succeed_loudly(build(dir.path(), "cm4", &base("pi-os-bookworm-like")).args(["--output", "node.img"]));
    // QEMU need not be there: the files of a run are made before it is started.
    put(dir.path(), "bin/qemu-system-aarch64", ROUTER_THEN_SLEEP);
    let path = format!("{}:{}", dir.path().join("bin").display(), std::env::var("PATH").unwrap());
    let mut chmod = Command::new("chmod");
    assert!(chmod.arg("755").arg(dir.path().join("bin/qemu-system-aarch64")).status().unwrap().success());
    let mut run = hcimage(dir.path());
    run.args(["run", "--board", "cm4", "node.img"]);
    run.env("TMPDIR", &temporary).env("PATH", path);
    let has_disk = |dir: &str| names(&temporary.join(dir)).iter().any(|file| file.ends_with(".qcow2"));
    killed(&mut run, || names(&temporary).iter().any(|dir| has_disk(dir)));
    assert!(!names(&temporary).is_empty(), "a killed run leaves its disks");
    let mut next = build(dir.path(), "cm4", &base("pi-os-bookworm-like"));
    let said = succeed_loudly(next.env("TMPDIR", &temporary));
    assert!(said.stderr.contains("hcimage-run-"), "{}", said.stderr);
    assert_eq!(names(&temporary), Vec::<String>::new());
}

#[test]
fn an_unpacking_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let left = put(dir.path(), "cache/images/0000.unpacking", "half an image");
    let said = succeed_loudly(&mut build(dir.path(), "cm4", &base("pi-os-bookworm-like")));
    assert!(said.stderr.contains("0000.unpacking"), "{}", said.stderr);
    assert!(!left.exists());
}

//! Every input that was kept, through the same functions that the fuzzer calls: the corpus, which reaches all that
//! was ever reached, and the regressions, each of which once found something.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what is wrong by failing")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hcimage_fuzz::{TARGETS, ext4};

/// An unoptimised build on a busy machine takes well below a second for the slowest input.
const HANGS: Duration = Duration::from_secs(20);

/// The kept inputs of a target, by name.
fn inputs(target: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = Vec::new();
    for dir in ["corpus", "regressions"] {
        let Ok(entries) = fs::read_dir(root.join(dir).join(target)) else { continue };
        inputs.extend(entries.map(|entry| entry.unwrap().path()));
    }
    assert!(!inputs.is_empty(), "{target} has no corpus");
    inputs.sort();
    inputs
}

/// Says which input it was where a property does not hold.
struct Named<'a>(&'a Path);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with the input {}", self.0.display());
        }
    }
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    for path in inputs(name) {
        let input = fs::read(&path).unwrap();
        let named = Named(&path);
        let begun = Instant::now();
        (target.run)(&input);
        assert!(begun.elapsed() < HANGS, "it took {:?}", begun.elapsed());
        drop(named);
    }
}

macro_rules! replay {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            replay(stringify!($name));
        }
    )*};
}

replay! { ext4 ext4_grow tables fat seed requests journal editors }

#[test]
fn every_target_is_replayed() {
    let names = TARGETS.map(|target| target.name);
    // The last one is replayed in a process of its own, by replay_texts.rs.
    assert_eq!(
        names,
        ["ext4", "ext4_grow", "tables", "fat", "seed", "requests", "journal", "editors", "texts"]
    );
}

/// What e2fsck (Debian package `e2fsprogs`) calls clean before edits, it calls clean after them.
#[test]
fn e2fsck_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    let is_clean = |bytes: Vec<u8>| {
        fs::write(&image, bytes).unwrap();
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let output = Command::new("e2fsck").arg("-fn").arg(&image).env("PATH", path).output();
        let output = output.unwrap_or_else(|error| panic!("e2fsck: {error}; install the package e2fsprogs"));
        output.status.success()
    };
    let mut judged = 0;
    for path in inputs("ext4") {
        let Some(edited) = ext4::edited(&fs::read(&path).unwrap()) else { continue };
        if is_clean(edited.before()) {
            assert!(is_clean(edited.after()), "e2fsck finds errors after {}", path.display());
            judged += 1;
        }
    }
    assert!(judged > 20, "only {judged} inputs edit a clean file system");
}

//! An image of hcimage's own, and changes to it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use hc_firstboot::Failure;
use hc_firstboot::report::{ReportStatus, View, render};
use hc_firstboot::seed::Seed;
use hc_firstboot::state::{Outcome, PhaseName, Record, State, Status};
use hcimage_testkit::base::base;
use hcimage_testkit::external_tool::{Outcome as Said, outcome};
use hcimage_testkit::hcimage::{build, hcimage, succeed};
use hcimage_testkit::tools::{debugfs, debugfs_put, debugfs_write, dump, partitions, run};
use tempfile::TempDir;

/// Bytes in a block of the base's root.
pub(crate) const BLOCK: u64 = 4096;

pub(crate) struct Card {
    pub(crate) dir: TempDir,
    pub(crate) image: PathBuf,
}

/// Built once for all tests of the process.
fn built() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = hcimage_testkit::base::root().join("target/doctor-node");
        let fresh = TempDir::new_in(dir.parent().unwrap()).unwrap();
        let mut command = build(fresh.path(), "cm4", &base("pi-os-bookworm-like"));
        succeed(command.args(["--output", "node.img", "--hostname", "pi-1"]));
        let _ = fs::remove_dir_all(fresh.path().join("cache"));
        let _ = fs::remove_dir_all(&dir);
        fs::rename(fresh.keep(), &dir).unwrap();
        dir.join("node.img")
    })
}

impl Card {
    pub(crate) fn new() -> Self {
        Self::of(built().clone())
    }

    pub(crate) fn of(from: PathBuf) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("card.img");
        run(Command::new("cp").arg("--sparse=always").arg(from).arg(&image));
        Self { dir, image }
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        for (at, _) in path.match_indices('/').skip(1) {
            if debugfs(&self.image, &format!("stat {}", &path[..at])).contains("File not found") {
                debugfs_write(&self.image, &format!("mkdir {}", &path[..at]));
            }
        }
        debugfs_put(&self.image, text, path, self.dir.path());
    }

    pub(crate) fn put_private(&self, path: &str, text: &str) {
        self.put(path, text);
        debugfs_write(&self.image, &format!("sif {path} mode 0100600"));
    }

    pub(crate) fn put_boot(&self, name: &str, text: &str) {
        let file = self.dir.path().join("boot-text");
        fs::write(&file, text).unwrap();
        let drive = format!("{}@@{}", self.image.display(), partitions(&self.image).1.start);
        run(Command::new("mcopy").args(["-o", "-i", &drive]).arg(&file).arg(format!("::{name}")));
    }

    pub(crate) fn seed(&self) -> Seed {
        Seed::parse(&dump(&self.image, "/etc/hcimage/seed.toml", self.dir.path()).unwrap()).unwrap()
    }

    /// State and report, as firstboot leaves them.
    pub(crate) fn left(&self, state: &State, end: Option<ReportStatus>) {
        self.put_private("/var/lib/hcimage/state.json", &serde_json::to_string_pretty(state).unwrap());
        if let Some(end) = end {
            let text =
                render(&View::new(Some(state), Some(&self.seed()), Duration::from_secs(1_800_000_000)));
            self.put_boot(
                "hcimage-status.txt",
                &format!("{text}\n{}\n", end.sentinel()).replace('\n', "\r\n"),
            );
        }
    }

    pub(crate) fn poke(&self, at: u64, bytes: &[u8]) {
        let file = OpenOptions::new().write(true).open(&self.image).unwrap();
        file.write_all_at(bytes, at).unwrap();
    }

    /// The first block of a file, as a place in the image.
    pub(crate) fn block(&self, path: &str) -> u64 {
        let blocks = debugfs(&self.image, &format!("blocks {path}"));
        blocks.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    }

    /// What doctor says; the image is the same afterwards.
    pub(crate) fn doctor(&self, arguments: &[&str]) -> Said {
        let digest = || run(Command::new("sha256sum").arg(&self.image));
        let before = digest();
        let said = outcome(hcimage(self.dir.path()).arg("doctor").arg(&self.image).args(arguments));
        assert_eq!(digest(), before, "doctor has changed the image");
        said
    }

    #[track_caller]
    pub(crate) fn must_say(&self, code: i32, words: &[&str]) -> String {
        let said = self.doctor(&[]);
        assert_eq!(said.status.code(), Some(code), "{}", said.both());
        for word in words {
            assert!(said.stdout.contains(word), "{word:?} is not in:\n{}", said.both());
        }
        said.stdout
    }
}

/// A state whose last phase is this one.
pub(crate) fn state(outcome: Outcome, last: PhaseName, status: Status) -> State {
    let mut state = State::new("0".repeat(64));
    state.outcome = outcome;
    let record = |name, status| Record { name, status, seconds: 3, progress: None, notes: Vec::new() };
    state.phases = vec![record(PhaseName::Host, Status::Done), record(last, status)];
    state
}

pub(crate) fn failed(what: &str, advice: &str) -> State {
    state(Outcome::Failed(Failure::new(what, advice)), PhaseName::Network, Status::Failed)
}

//! The program within limits of memory and time, and images to be made hostile.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use hcimage_testkit::base::base;
use hcimage_testkit::external_tool::{Outcome, outcome};
use hcimage_testkit::tools::{Range, partitions, run};

/// Of address space, so that nothing that was asked for in vain is missed: 512 MiB.
const MEMORY_KIB: u32 = 512 << 10;
const SECONDS: &str = "30";

/// The same command within the limits. `timeout` (coreutils) ends with 124 where the time is over.
pub(crate) fn limited(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("ulimit -v {MEMORY_KIB}; exec timeout -k 1 {SECONDS} \"$0\" \"$@\"");
    shell.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        shell.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Runs it within the limits. It ends in order: in time, without a panic, and not by a signal.
#[track_caller]
pub(crate) fn ends(command: &Command) -> Outcome {
    let outcome = outcome(&mut limited(command));
    let code = outcome.status.code();
    let said = &outcome.stderr.get(..outcome.stderr.len().min(4000)).unwrap_or(&outcome.stderr);
    assert!(code.is_some_and(|code| code < 100), "{command:?}: {:?}\n{said}", outcome.status);
    assert!(!outcome.stderr.contains("panicked") && !outcome.stderr.contains("memory allocation"), "{said}");
    outcome
}

/// The same; it fails, and says each of the words.
#[track_caller]
pub(crate) fn refuses(command: &Command, words: &[&str]) -> Outcome {
    let outcome = ends(command);
    assert!(!outcome.status.success(), "{command:?} succeeded:\n{}", outcome.both());
    for word in words {
        assert!(outcome.stderr.contains(word), "{word:?} is missing in:\n{}", outcome.stderr);
    }
    outcome
}

/// The same; it succeeds.
#[track_caller]
pub(crate) fn succeeds(command: &Command) -> Outcome {
    let outcome = ends(command);
    assert!(outcome.status.success(), "{command:?}\n{}", outcome.both());
    outcome
}

/// A writable copy of a base, in a directory of its own.
pub(crate) struct Copy {
    pub(crate) dir: TempDir,
    pub(crate) image: PathBuf,
}

impl Copy {
    pub(crate) fn of(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("base.img");
        run(Command::new("cp").arg("--sparse=always").arg(base(name)).arg(&image));
        Self { dir, image }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn root(&self) -> Range {
        partitions(&self.image).0
    }

    /// Commands of debugfs, carried out on the root file system.
    pub(crate) fn debugfs(&self, commands: &[String]) {
        self.debugfs_at(commands, None);
    }

    /// The same where its clock shows another time, in seconds since 1970.
    pub(crate) fn debugfs_at(&self, commands: &[String], time: Option<u64>) {
        let script = self.path("debugfs-commands");
        std::fs::write(&script, commands.join("\n")).unwrap();
        let mut command = Command::new("debugfs");
        if let Some(time) = time {
            command.env("E2FSPROGS_FAKE_TIME", time.to_string());
        }
        let place = format!("{}?offset={}", self.image.display(), self.root().start);
        run(command.arg("-w").arg("-f").arg(&script).arg(place));
    }

    /// The text of a file of the root file system.
    pub(crate) fn read(&self, path: &str) -> String {
        let place = format!("{}?offset={}", self.image.display(), self.root().start);
        run(Command::new("debugfs").args(["-R", &format!("cat {path}")]).arg(place))
    }

    /// Puts a text in the place of a file of the root file system.
    pub(crate) fn write(&self, path: &str, text: &[u8]) {
        let file = self.path("content");
        std::fs::write(&file, text).unwrap();
        self.debugfs(&[format!("rm {path}"), format!("write {} {path}", file.display())]);
    }

    /// Puts a text in the place of a file of the FAT, whatever its name.
    pub(crate) fn write_fat(&self, name: &str, text: &[u8]) {
        let file = self.path("content");
        std::fs::write(&file, text).unwrap();
        let place = format!("{}@@{}", self.image.display(), partitions(&self.image).1.start);
        let mut command = Command::new("mcopy");
        command.args(["-o", "-i", &place]).arg(&file).arg(format!("::{name}"));
        run(command.env("MTOOLS_SKIP_CHECK", "1"));
    }
}

/// Puts a text into a file in a directory, and returns its path.
pub(crate) fn put(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}

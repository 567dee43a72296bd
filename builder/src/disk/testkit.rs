//! What the image tests share: scratch images, and other people's tools.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;

use super::Window;
use crate::external_tools::program;

/// A scratch image that is removed with its directory.
pub(crate) struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn sized(bytes: u64) -> Self {
        let scratch = Self { dir: tempfile::tempdir().unwrap() };
        File::create(scratch.path()).unwrap().set_len(bytes).unwrap();
        scratch
    }

    pub(crate) fn holding(bytes: &[u8]) -> Self {
        let scratch = Self::sized(0);
        std::fs::write(scratch.path(), bytes).unwrap();
        scratch
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.beside("image")
    }

    /// Another file in the same directory.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn open(&self) -> File {
        OpenOptions::new().read(true).write(true).open(self.path()).unwrap()
    }

    pub(crate) fn window(&self) -> Window {
        Window::whole(Arc::new(self.open())).unwrap()
    }
}

/// Runs a tool and returns its output, successful or not.
pub(crate) fn run(package: &str, tool: &str, arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = program(tool)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env("MTOOLS_SKIP_CHECK", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("running {tool}: {error}; install the package {package}"));
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    child.wait_with_output().unwrap()
}

/// Runs a tool that must succeed, and returns its output.
pub(crate) fn tool(package: &str, tool: &str, arguments: &[&str], stdin: &str) -> String {
    let output = run(package, tool, arguments, stdin.as_bytes());
    assert!(output.status.success(), "{tool} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

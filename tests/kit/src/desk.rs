//! The setup of each test: its own cache and lock file, and a fetcher with short waits.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hcimage::interrupt::Interrupt;
use hcimage::progress::Silent;
use hcimage::source::SourceContext;
use hcimage::source::cache::Cache;
use hcimage::source::fetch::{Fetcher, RetryPolicy};
use hcimage::source::lock::Lock;

pub struct Desk {
    pub dir: tempfile::TempDir,
    pub cache: Cache,
    pub fetcher: Fetcher,
    pub interrupt: Interrupt,
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}

impl Desk {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache"));
        let retry_policy =
            RetryPolicy { tries: 3, pause: Duration::from_millis(1), stall: Duration::from_secs(2) };
        Self { dir, cache, fetcher: Fetcher::new(retry_policy), interrupt: Interrupt::new() }
    }

    pub fn tools(&self) -> SourceContext<'_> {
        SourceContext {
            fetcher: &self.fetcher,
            cache: &self.cache,
            progress: &Silent,
            interrupt: &self.interrupt,
            may_keep: |_| true,
        }
    }

    pub fn lock(&self) -> Lock {
        Lock::load(&self.path("hcimage.lock")).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// All files in the cache except locks and tag, sorted.
    pub fn cached(&self) -> Vec<String> {
        let root = self.cache.root();
        let mut files = Vec::new();
        for dir in ["downloads", "files", "images"] {
            list(&root.join(dir), root, &mut files);
        }
        files.sort();
        files
    }
}

fn list(dir: &Path, root: &Path, files: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            list(&path, root, files);
        } else {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            // The record beside a file is part of it.
            if !name.ends_with(".verified") {
                files.push(name);
            }
        }
    }
}

/// Bytes like those of an image: compressible, with holes inside and at the end.
pub fn image(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = vec![0; size];
    for (index, block) in bytes.chunks_mut(4096).enumerate() {
        if index % 8 < 3 || index * 4096 > size / 4 * 3 {
            continue;
        }
        for byte in block.iter_mut() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state.to_le_bytes()[3] & 0x3f;
        }
    }
    bytes
}

/// Compresses `bytes` with a program of this machine.
pub fn pack(program: &str, arguments: &[&str], bytes: &[u8]) -> Vec<u8> {
    let package = if program == "xz" { "xz-utils" } else { program };
    let input = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(input.path(), bytes).unwrap();
    let output = Command::new(program)
        .args(arguments)
        .stdin(input.reopen().unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|e| panic!("running {program}: {e}: install the package {package}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", output.status);
    output.stdout
}

pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

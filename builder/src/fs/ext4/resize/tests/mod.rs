//! Growth checked by e2fsprogs (Debian package `e2fsprogs`) and, where root is allowed, by the kernel.

mod hostile;
mod kernel;
mod matrix;
mod refused;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::scratch::scratch;
use super::{Grown, grow};
use crate::disk::{ByteSize, Window};
use crate::external_tools;
use crate::fs::Result;

/// A file system alone in a file, and the directory that its files were made from.
struct Image {
    dir: tempfile::TempDir,
    path: PathBuf,
}

/// Runs a tool to its end; its output and exit code.
fn run(program: &str, args: &[&str]) -> (i32, String) {
    let out = external_tools::program(program)
        .args(args)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| panic!("running {program} (Debian package e2fsprogs or mount): {error}"));
    let text = [out.stdout, out.stderr].concat();
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

/// Runs a tool that must succeed.
fn must(program: &str, args: &[&str]) -> String {
    let (code, text) = run(program, args);
    assert_eq!(code, 0, "{program} {args:?}:\n{text}");
    text
}

impl Image {
    /// A file system of `blocks` blocks with a few files.
    fn make(block_size: u32, options: &str, blocks: u64) -> Self {
        let dir = scratch();
        let source = dir.path().join("source");
        fs::create_dir_all(source.join("directory")).unwrap();
        for index in 0..20usize {
            let content: Vec<u8> =
                (0..index * 977).map(|byte| (byte * 31 + index).to_le_bytes()[0]).collect();
            fs::write(source.join(format!("directory/file-{index}")), content).unwrap();
        }
        let image = Self { path: dir.path().join("fs.img"), dir };
        let (size, blocks) = (block_size.to_string(), blocks.to_string());
        let source = source.to_string_lossy().into_owned();
        let mut args = vec!["-q", "-F", "-t", "ext4", "-b", &size, "-d", &source];
        args.extend(options.split_whitespace());
        args.extend([image.path(), &blocks]);
        must("mke2fs", &args);
        image
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    fn open(&self) -> Window {
        window(&self.path)
    }

    fn lengthen(&self, bytes: u64) {
        let file = OpenOptions::new().write(true).open(&self.path).unwrap();
        if bytes > file.metadata().unwrap().len() {
            file.set_len(bytes).unwrap();
        }
    }

    /// Lengthens the file as the partition would be, and grows.
    fn grow(&self, blocks: u64, block_size: u32) -> Result<Grown> {
        let bytes = blocks * u64::from(block_size);
        self.lengthen(bytes);
        grow(&self.open(), ByteSize(bytes))
    }

    /// A copy of the file as it is now.
    fn copy(&self, name: &str) -> String {
        let copy = self.dir.path().join(name).to_string_lossy().into_owned();
        must("cp", &["--sparse=always", self.path(), &copy]);
        copy
    }

    fn check(&self, when: &str) {
        e2fsck(self.path(), when);
    }

    /// Every file that mke2fs put in reads back as it was.
    fn check_files(&self) {
        let out = self.dir.path().join("read-back");
        fs::create_dir(&out).unwrap();
        must("debugfs", &["-R", &format!("rdump directory {}", out.display()), self.path()]);
        assert_eq!(tree(&out.join("directory")), tree(&self.dir.path().join("source/directory")));
        fs::remove_dir_all(out).unwrap();
    }

    /// Fills the file system to a good part with debugfs, so that the grown groups are used.
    fn fill(&self, blocks: u64, block_size: u32) {
        let big = self.dir.path().join("big");
        fs::write(&big, vec![0xc3; usize::try_from(blocks * u64::from(block_size)).unwrap()]).unwrap();
        must("debugfs", &["-w", "-R", &format!("write {} big", big.display()), self.path()]);
        let back = self.dir.path().join("big-back");
        must("debugfs", &["-R", &format!("dump big {}", back.display()), self.path()]);
        assert!(fs::read(&big).unwrap() == fs::read(&back).unwrap(), "a file written into the grown area");
    }

    fn facts(&self) -> Facts {
        facts(self.path())
    }
}

fn window(path: &Path) -> Window {
    let file = File::options().read(true).write(true).open(path).unwrap();
    Window::whole(Arc::new(file)).unwrap()
}

fn e2fsck(path: &str, when: &str) {
    let (code, text) = run("e2fsck", &["-fn", path]);
    assert_eq!(code, 0, "{when}:\n{text}");
}

fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into(), fs::read(entry.path()).unwrap())).collect()
}

/// The header's lines of dumpe2fs, by name, and the number of groups.
type Facts = BTreeMap<String, String>;

fn facts(path: &str) -> Facts {
    let text = must("dumpe2fs", &[path]);
    let is_group =
        |line: &&str| line.strip_prefix("Group ").is_some_and(|rest| rest.starts_with(char::is_numeric));
    let groups = text.lines().filter(is_group).count();
    let header = text.lines().take_while(|line| !is_group(line));
    let mut facts = header_facts(header);
    facts.insert("Groups".to_owned(), groups.to_string());
    facts
}

fn header_facts<'a>(lines: impl Iterator<Item = &'a str>) -> Facts {
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

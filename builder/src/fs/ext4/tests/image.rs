//! A file system inside a larger file, and the tools that check it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use tempfile::TempDir;

use crate::disk::{ByteOffset, ByteSize, Window};
use crate::external_tools::program;
use crate::fs::ext4::scratch::scratch;
use crate::fs::ext4::{Ext4, Ext4Options};
use crate::fs::{Attributes, FileSystem, FsError, ImagePath};

/// Where the partition begins. What lies before and behind it must never change.
pub(super) const OFFSET: u64 = 4 << 20;
const BEHIND: u64 = 1 << 20;
const SENTINEL: u8 = 0xA5;

pub(super) const NOW: i64 = 1_700_000_000;
pub(super) const PLAIN: Attributes = Attributes { mode: 0o644, uid: 0, gid: 0, mtime: 1_600_000_000 };
pub(super) const DIR: Attributes = Attributes { mode: 0o755, ..PLAIN };

/// Files in the large directory, enough for a hash tree of several blocks.
pub(super) const MANY: usize = 150;

/// Their names.
pub(super) fn many(number: usize) -> String {
    format!("/var/lib/many/{number:04}-{}", "x".repeat(90))
}

/// What a tree holds, by path: `d`, `l TARGET` or `f CONTENT`.
pub(super) type Tree = BTreeMap<String, Vec<u8>>;

pub(super) struct Image {
    dir: TempDir,
    len: u64,
}

/// Runs a tool of e2fsprogs and returns what it said; a missing tool names its package.
pub(super) fn tool(name: &str, arguments: &[&str]) -> Output {
    let mut command = program(name);
    command.args(arguments).env("LC_ALL", "C").env("TZ", "UTC");
    // The same UUIDs, hash seeds and times each time.
    command.env("MKE2FS_DETERMINISTIC", "1").env("E2FSPROGS_FAKE_TIME", "1500000000");
    command.output().unwrap_or_else(|error| panic!("{name}: {error}; install the package e2fsprogs"))
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(super) fn path(text: &str) -> ImagePath {
    ImagePath::parse(text).unwrap()
}

/// Bytes that are not all alike and not compressible by accident.
pub(super) fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// What is in every image from the beginning.
fn populate(root: &Path) {
    for dir in ["etc/systemd/system", "usr/lib/modules", "usr/bin", "var/lib/many", "run", "boot"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    symlink("usr/lib", root.join("lib")).unwrap();
    symlink("/run", root.join("var/run")).unwrap();
    symlink("../usr/lib/os-release", root.join("etc/os-release")).unwrap();
    symlink(format!("/usr/{}", "long/".repeat(40)), root.join("etc/long-link")).unwrap();
    symlink("../../../outside", root.join("etc/escape")).unwrap();
    for (name, size) in [
        ("usr/lib/os-release", 200),
        ("etc/hostname", 12),
        ("etc/empty", 0),
        ("usr/bin/tool", 300_000),
        ("usr/bin/block", 4096),
        ("etc/hard", 5000),
    ] {
        fs::write(root.join(name), noise(size, size as u32)).unwrap();
    }
    // Holes between its blocks: more extents than its inode can hold.
    let sparse = File::create(root.join("usr/bin/sparse")).unwrap();
    for number in 0..20 {
        sparse.write_all_at(&noise(4096, number), u64::from(number) * 16_384).unwrap();
    }
    fs::hard_link(root.join("etc/hard"), root.join("usr/bin/hard-too")).unwrap();
    fs::set_permissions(root.join("usr/bin/tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    for number in 0..MANY {
        fs::write(root.join(many(number).trim_start_matches('/')), b"x").unwrap();
    }
}

impl Image {
    /// The same once more.
    pub(super) fn copy(&self) -> Self {
        let copy = Self { dir: scratch(), len: self.len };
        fs::copy(self.file_path(), copy.file_path()).unwrap();
        copy
    }

    /// An image of `mib` MiB with mke2fs's `options` and the usual content, aged by debugfs and e2fsck: the large
    /// directory gets a hash tree, files get extended attributes, and deleted ones leave gaps.
    pub(super) fn new(mib: u64, options: &[&str]) -> Self {
        let dir = scratch();
        let tree = dir.path().join("tree");
        populate(&tree);
        let image = Self::format(dir, mib << 20, &[&["-d", tree.to_str().unwrap()], options].concat());
        let large = image.dir.path().join("large");
        fs::write(&large, noise(700, 9)).unwrap();
        image.debugfs_script(&[
            "ea_set /etc/hostname user.small value",
            &format!("ea_set /usr/bin/block user.large -f {}", large.display()),
            &format!("rm {}", many(100)),
            &format!("rm {}", many(101)),
            "cd /run",
            "mknod fifo p",
        ]);
        let output = tool("e2fsck", &["-fyD", &image.target()]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output));
        image.assert_clean();
        image
    }

    /// As [`Image::new`], fresh from mke2fs and empty.
    pub(super) fn empty(mib: u64, options: &[&str]) -> Self {
        let dir = scratch();
        Self::format(dir, mib << 20, options)
    }

    fn format(dir: TempDir, len: u64, options: &[&str]) -> Self {
        let image = Self { dir, len };
        let file = File::create(image.file_path()).unwrap();
        let edge = |len: u64| vec![SENTINEL; len as usize];
        file.set_len(OFFSET + image.len + BEHIND).unwrap();
        file.write_all_at(&edge(OFFSET), 0).unwrap();
        file.write_all_at(&edge(BEHIND), OFFSET + image.len).unwrap();
        let offset = format!("offset={OFFSET},hash_seed=11111111-2222-3333-4444-555555555555,root_owner=0:0");
        let size = format!("{}k", image.len >> 10);
        let mut arguments = vec!["-q", "-F", "-t", "ext4", "-L", "root", "-E", &offset];
        arguments.extend(["-U", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"]);
        arguments.extend(options);
        let file_path = image.file_path();
        arguments.extend([file_path.as_str(), size.as_str()]);
        let output = tool("mke2fs", &arguments);
        assert!(output.status.success(), "{options:?}: {}", text(&output));
        image
    }

    pub(super) fn file_path(&self) -> String {
        self.dir.path().join("image").to_str().unwrap().to_owned()
    }

    /// Bytes of the partition.
    pub(super) fn partition_len(&self) -> u64 {
        self.len
    }

    /// How the tools name the part of the file.
    pub(super) fn target(&self) -> String {
        format!("{}?offset={OFFSET}", self.file_path())
    }

    fn file(&self) -> File {
        OpenOptions::new().read(true).write(true).open(self.file_path()).unwrap()
    }

    pub(super) fn window(&self) -> Window {
        Window::new(Arc::new(self.file()), ByteOffset(OFFSET), ByteSize(self.len)).unwrap()
    }

    /// A window that ends before the file system does, as in an image that was not downloaded completely.
    pub(super) fn truncated_window(&self) -> Window {
        Window::new(Arc::new(self.file()), ByteOffset(OFFSET), ByteSize(self.len / 2)).unwrap()
    }

    pub(super) fn open(&self) -> Ext4 {
        self.try_open(true).unwrap()
    }

    pub(super) fn try_open(&self, writable: bool) -> Result<Ext4, FsError> {
        Ext4::open(self.window(), Ext4Options { now: NOW, writable, replay: false })
    }

    /// Opens, lets `edit` act, finishes, and runs the tools.
    pub(super) fn edit(&self, edit: impl FnOnce(&Ext4)) {
        let fs = self.open();
        edit(&fs);
        Box::new(fs).finish().unwrap();
        self.assert_clean();
    }

    pub(super) fn assert_clean(&self) {
        let output = tool("e2fsck", &["-fn", &self.target()]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        self.assert_edges();
    }

    pub(super) fn assert_edges(&self) {
        let mut edge = vec![0; OFFSET as usize];
        self.file().read_exact_at(&mut edge, 0).unwrap();
        assert!(edge.iter().all(|byte| *byte == SENTINEL), "bytes before the partition changed");
        let mut edge = vec![0; BEHIND as usize];
        self.file().read_exact_at(&mut edge, OFFSET + self.len).unwrap();
        assert!(edge.iter().all(|byte| *byte == SENTINEL), "bytes behind the partition changed");
    }

    /// The whole file, to see whether a byte changed.
    pub(super) fn bytes(&self) -> Vec<u8> {
        fs::read(self.file_path()).unwrap()
    }

    /// Puts back what [`Image::bytes`] gave.
    pub(super) fn restore(&self, bytes: &[u8]) {
        self.file().write_all_at(bytes, 0).unwrap();
    }

    /// All of the partition.
    pub(super) fn partition(&self) -> Vec<u8> {
        self.partition_bytes(0, self.len as usize)
    }

    /// Puts back what [`Image::partition`] gave.
    pub(super) fn put_partition(&self, bytes: &[u8]) {
        self.file().write_all_at(bytes, OFFSET).unwrap();
    }

    /// Writes a file beside the image, and returns its path.
    pub(super) fn write_beside(&self, name: &str, content: &[u8]) -> String {
        let at = self.dir.path().join(name);
        fs::write(&at, content).unwrap();
        at.to_str().unwrap().to_owned()
    }

    /// What dumpe2fs says of the superblock and the groups.
    pub(super) fn dumpe2fs(&self) -> String {
        let output = tool("dumpe2fs", &[&self.target()]);
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(super) fn debugfs(&self, command: &str) -> String {
        let output = tool("debugfs", &["-R", command, &self.target()]);
        assert!(output.status.success(), "{command}: {}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(super) fn debugfs_write(&self, command: &str) {
        let output = tool("debugfs", &["-w", "-R", command, &self.target()]);
        let said = text(&output);
        // The version comes first, on a line of its own; anything more is a complaint.
        assert!(output.status.success() && said.lines().count() <= 2, "{command}: {said}");
    }

    /// What debugfs says to several commands that write nothing, each repeated before its answer.
    pub(super) fn debugfs_read(&self, commands: &[String]) -> String {
        let script = self.dir.path().join("script");
        fs::write(&script, commands.join("\n")).unwrap();
        let output = tool("debugfs", &["-f", script.to_str().unwrap(), &self.target()]);
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Several commands in one session.
    pub(super) fn debugfs_script(&self, commands: &[&str]) {
        let script = self.dir.path().join("script");
        fs::write(&script, commands.join("\n")).unwrap();
        let output = tool("debugfs", &["-w", "-f", script.to_str().unwrap(), &self.target()]);
        assert!(output.status.success(), "{}", text(&output));
    }

    /// Mode with type, owner, links, size and time of the last change, as debugfs prints them.
    pub(super) fn stat(&self, file: &str) -> String {
        let said = self.debugfs(&format!("stat \"{file}\""));
        let words: Vec<&str> = said.split_whitespace().collect();
        let after = |key: &str| words.iter().position(|word| *word == key).map_or("", |at| words[at + 1]);
        let mtime = said.lines().find_map(|line| line.trim().strip_prefix("mtime: ")).unwrap_or("");
        let mtime = mtime.split([':', ' ']).next().unwrap_or("");
        let mtime = i64::from_str_radix(mtime.trim_start_matches("0x"), 16).unwrap_or(-1);
        format!(
            "{} {}:{} links {} mtime {mtime}",
            after("Mode:"),
            after("User:"),
            after("Group:"),
            after("Links:")
        )
    }

    /// Everything in the file system, read by debugfs.
    pub(super) fn tree(&self) -> Tree {
        let out = scratch();
        self.debugfs(&format!("rdump / {}", out.path().display()));
        let mut tree = Tree::new();
        walk(out.path(), out.path(), &mut tree);
        tree.remove("/lost+found");
        tree
    }

    /// Everything in the file system, read by `ext4-view`.
    pub(super) fn tree_by_view(&self) -> Tree {
        let fs = ext4_view::Ext4::load(Box::new(View(self.window()))).unwrap();
        let mut tree = Tree::new();
        let mut dirs = vec![String::from("/")];
        while let Some(dir) = dirs.pop() {
            for entry in fs.read_dir(dir.as_str()).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name();
                let name = name.as_str().unwrap().to_owned();
                if name == "." || name == ".." || name == "lost+found" {
                    continue;
                }
                let at = format!("{}/{name}", dir.trim_end_matches('/'));
                let kind = entry.file_type().unwrap();
                let what = if kind.is_dir() {
                    dirs.push(at.clone());
                    b"d".to_vec()
                } else if kind.is_symlink() {
                    [b"l ".as_slice(), fs.read_link(at.as_str()).unwrap().as_ref()].concat()
                } else if kind.is_regular_file() {
                    [b"f ".as_slice(), &fs.read(at.as_str()).unwrap()].concat()
                } else {
                    continue;
                };
                tree.insert(at, what);
            }
        }
        tree
    }

    /// Changes bytes of the partition behind everybody's back.
    pub(super) fn patch(&self, at: u64, change: impl FnOnce(&mut [u8; 4])) {
        let mut bytes = [0; 4];
        self.file().read_exact_at(&mut bytes, OFFSET + at).unwrap();
        change(&mut bytes);
        self.file().write_all_at(&bytes, OFFSET + at).unwrap();
    }

    /// Bytes of the partition.
    pub(super) fn partition_bytes(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.file().read_exact_at(&mut bytes, OFFSET + at).unwrap();
        bytes
    }
}

/// The partition as `ext4-view` wants it.
struct View(Window);

impl ext4_view::Ext4Read for View {
    fn read(&mut self, start: u64, out: &mut [u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.read_exact_at(out, start)?)
    }
}

fn walk(root: &Path, dir: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(dir).unwrap() {
        let at = entry.unwrap().path();
        let kind = fs::symlink_metadata(&at).unwrap().file_type();
        let what = if kind.is_dir() {
            walk(root, &at, tree);
            b"d".to_vec()
        } else if kind.is_symlink() {
            format!("l {}", fs::read_link(&at).unwrap().display()).into_bytes()
        } else {
            [b"f ".as_slice(), &fs::read(&at).unwrap()].concat()
        };
        tree.insert(format!("/{}", at.strip_prefix(root).unwrap().display()), what);
    }
}

//! The two file systems of an image, FAT and ext4, behind one small trait.
//!
//! In: a [`crate::disk::Window`] on a partition, and files named by [`ImagePath`]. Out: what [`FileSystem`] offers,
//! and errors of one type, [`FsError`]. Everything above this module never sees an on-disk structure.
//!
//! `ext4/` and `fat/` implement the trait; neither knows the other. `path`, `source`, `error`, `field` and `resolve`
//! (following a path through symbolic links, also used for the tree of mounts) are shared.
//!
//! May use: [`crate::disk`].

pub mod ext4;
pub mod fat;

mod error;
mod field;
mod path;
pub(crate) mod ranges;
pub(crate) mod resolve;
mod source;

use std::io::{Read, Write};

pub use error::{FsError, Result};
pub use path::{BadImagePath, ImagePath};
pub use source::Source;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A device node, socket or FIFO.
    Special,
}

/// Owner, permissions and time of a file. FAT keeps only the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attributes {
    /// Permission bits with set-id and sticky bits, `0o7777` at most.
    pub mode: u16,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Time of the last change of the content, in seconds since 1970; also given to the other times.
    pub mtime: i64,
}

impl Attributes {
    /// Whether owner and permissions are the same.
    pub fn same_but_time(&self, other: &Self) -> bool {
        Self { mtime: other.mtime, ..*self } == *other
    }
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What the path names.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// Owner, permissions and time. On FAT: root, 0755 or 0644.
    pub attributes: Attributes,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name; bytes that are not UTF-8 are shown as U+FFFD.
    pub name: String,
    /// What it names.
    pub kind: Kind,
}

/// Free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Space {
    /// Free bytes, in whole blocks or clusters.
    pub bytes: u64,
    /// Free inodes; `u64::MAX` where the file system has none.
    pub inodes: u64,
}

/// A file system inside an image.
///
/// Paths are resolved inside the root, symbolic links in the middle included; a link that leads out of the
/// root is refused. No call follows a link in the last component unless it says so.
pub trait FileSystem {
    /// What the path names; `None` if nothing has that name.
    fn stat(&self, path: &ImagePath) -> Result<Option<Stat>>;

    /// The path with every symbolic link followed, the last component included. Components that do not
    /// exist are kept as they are, so the answer may name a file that is still to be made.
    fn resolve(&self, path: &ImagePath) -> Result<ImagePath>;

    /// The target of a symbolic link, as stored.
    fn read_link(&self, path: &ImagePath) -> Result<String>;

    /// The names in a directory, sorted, without `.` and `..`.
    fn list(&self, path: &ImagePath) -> Result<Vec<Entry>>;

    /// Writes the content of a regular file to `out` in pieces, and returns its size in bytes.
    fn copy_to(&self, path: &ImagePath, out: &mut dyn Write) -> Result<u64>;

    /// The content of a regular file that may have at most `limit` bytes.
    fn read(&self, path: &ImagePath, limit: u64) -> Result<Vec<u8>>;

    /// Makes a directory and those above it that are missing, all with `attributes`; one that exists is left as it is.
    fn create_dirs(&self, path: &ImagePath, attributes: Attributes) -> Result<()>;

    /// Creates or replaces a regular file from `content`, streamed, and returns its size in bytes. The directory
    /// above must exist. A link of that name is replaced, not followed.
    fn write(&self, path: &ImagePath, content: &mut dyn Read, attributes: Attributes) -> Result<u64>;

    /// As [`FileSystem::write`] for a content whose length in bytes is known. One that does not fit is refused
    /// before anything is written; a reader that gives less or more is an error that leaves no file.
    fn write_sized(
        &self,
        path: &ImagePath,
        content: &mut dyn Read,
        len: u64,
        attributes: Attributes,
    ) -> Result<()> {
        let (what, need, free) = (path.as_str().to_owned(), len, self.space()?.bytes);
        if need > free {
            return Err(FsError::NoSpace { what, need, free });
        }
        self.write(path, &mut Source::sized(content, len), attributes).map(drop)
    }

    /// Creates or replaces a symbolic link.
    fn symlink(&self, path: &ImagePath, target: &str, attributes: Attributes) -> Result<()>;

    /// Removes a file or link; a directory is refused.
    fn remove(&self, path: &ImagePath) -> Result<()>;

    /// Sets owner, permissions and times.
    fn set_attributes(&self, path: &ImagePath, attributes: Attributes) -> Result<()>;

    /// Free space.
    fn space(&self) -> Result<Space>;

    /// Writes out what is held back and checks what was written. Nothing may be done after it.
    fn finish(self: Box<Self>) -> Result<()>;
}

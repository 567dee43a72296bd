//! What an input does with a file system that could be opened.

use std::fmt;
use std::io::{self, Read};
use std::sync::OnceLock;

use hcimage::fs::ext4::Ext4;
use hcimage::fs::{Attributes, FileSystem, FsError, ImagePath, Kind};

use crate::ext4_operation::Ext4Operation;
use crate::reader::Reader;

/// Directories of the fixtures, links to them, files in their place, and such as are not there.
const DIRS: [&str; 16] = [
    "",
    "/etc",
    "/usr/lib",
    "/lib",
    "/usr/bin",
    "/many",
    "/deep/er",
    "/new",
    "/new/one/two",
    "/etc/os-release",
    "/etc/escape",
    "/deep/loop-a",
    "/overlays",
    "/overlays/inner",
    "/lost+found",
    "/deep",
];

/// Names in them; the empty one means the directory itself.
const NAMES: [&str; 16] = [
    "",
    "hostname",
    "os-release",
    "hard",
    "hard-too",
    "tool",
    "sparse",
    "long-link",
    "fifo",
    "empty",
    "a new name.conf",
    "b",
    "cmdline.txt",
    "07-nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "loop-b",
    "n2345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\
     1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
     012345678901234567890123456789012345",
];

/// Times that the formats can keep, and such as some cannot.
const TIMES: [i64; 8] =
    [0, 1_600_000_000, 2_147_483_647, 4_000_000_000, 20_000_000_000, -1, i64::MAX, i64::MIN];

/// One call.
#[derive(Clone, PartialEq, Eq)]
pub enum Operation {
    /// Creates or replaces a file.
    Write(ImagePath, &'static [u8], Attributes),
    /// Creates or replaces a link.
    Symlink(ImagePath, String, Attributes),
    /// Makes directories.
    Dirs(ImagePath, Attributes),
    /// Removes a name.
    Remove(ImagePath),
    /// Sets owner, mode and time.
    Attributes(ImagePath, Attributes),
    /// Makes many small files in a directory: it grows, and inodes run out.
    Fill(ImagePath, u8),
    /// What FAT does not have.
    Ext4(Ext4Operation),
}

/// What an operation may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Touched {
    /// A name, links in the middle followed; everything at and below it may differ.
    pub(crate) path: ImagePath,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(path, bytes, attributes) => {
                write!(f, "write {path}, {} bytes, {attributes:?}", bytes.len())
            }
            Self::Symlink(path, target, attributes) => {
                write!(f, "link {path} to {} bytes, {attributes:?}", target.len())
            }
            Self::Dirs(path, attributes) => write!(f, "make {path}, {attributes:?}"),
            Self::Remove(path) => write!(f, "remove {path}"),
            Self::Attributes(path, attributes) => write!(f, "set {path}, {attributes:?}"),
            Self::Fill(path, count) => write!(f, "{count} files in {path}"),
            Self::Ext4(operation) => operation.fmt(f),
        }
    }
}

impl Operation {
    /// Reads an operation; `detail` has 4 bits.
    pub(crate) fn read(kind: u8, detail: u8, input: &mut Reader<'_>) -> Option<Self> {
        if matches!(kind, 1 | 6) {
            return Ext4Operation::read(detail, input).map(Self::Ext4);
        }
        let place = input.u8()?;
        let path = path(place);
        Some(match kind {
            0 | 2 => {
                let size = input.u16()?;
                Self::Write(path, content(length(size), place ^ detail), attributes(detail))
            }
            3 => Self::Symlink(path, target(input.u8()?), attributes(detail)),
            4 => Self::Dirs(path, attributes(detail)),
            5 => Self::Remove(path),
            7 => Self::Attributes(path, attributes(input.u8()?)),
            _ => Self::Fill(path, input.u8()? % 64),
        })
    }

    /// Carries the operation out and checks what it claims; `ext4` is `fs` if it is one. What it may have changed is put into `touched`,
    /// also where it fails.
    pub(crate) fn apply(
        &self,
        fs: &dyn FileSystem,
        ext4: Option<&Ext4>,
        touched: &mut Vec<Touched>,
    ) -> Result<(), FsError> {
        let owners = ext4.is_some();
        match self {
            Self::Write(path, bytes, attributes) => write(fs, path, bytes, *attributes, owners, touched),
            Self::Symlink(path, target, attributes) => {
                touch(fs, path, touched);
                whole(fs, path, |fs| fs.symlink(path, target, *attributes))?;
                assert_eq!(&fs.read_link(path)?, target, "{path}");
                Ok(())
            }
            Self::Dirs(path, attributes) => {
                fs.create_dirs(path, *attributes)?;
                let made = fs.stat(&fs.resolve(path)?)?.expect("the directory exists");
                assert_eq!(made.kind, Kind::Dir, "{path}");
                Ok(())
            }
            Self::Remove(path) => {
                touch(fs, path, touched);
                fs.remove(path)?;
                assert_eq!(fs.stat(path)?, None, "{path} was removed");
                Ok(())
            }
            Self::Attributes(path, attributes) => {
                fs.set_attributes(path, *attributes)?;
                if owners {
                    let stat = fs.stat(path)?.expect("what has attributes exists");
                    check_attributes(path, stat.kind, stat.attributes, *attributes);
                }
                Ok(())
            }
            Self::Fill(path, count) => (0..*count).try_for_each(|number| {
                let Ok(path) = path.join(&format!("fill-{number}")) else { return Ok(()) };
                write(fs, &path, b"fill", attributes(0), owners, touched)
            }),
            Self::Ext4(operation) => ext4.map_or(Ok(()), |ext4| operation.apply(ext4, touched)),
        }
    }
}

fn write(
    fs: &dyn FileSystem,
    path: &ImagePath,
    bytes: &[u8],
    attributes: Attributes,
    owners: bool,
    touched: &mut Vec<Touched>,
) -> Result<(), FsError> {
    touch(fs, path, touched);
    let size = whole(fs, path, |fs| fs.write(path, &mut Pieces(bytes), attributes))?;
    assert_eq!(size, bytes.len() as u64, "{path}");
    let stat = fs.stat(path)?.expect("what was written exists");
    assert_eq!((stat.kind, stat.size), (Kind::File, size), "{path}");
    if owners {
        check_attributes(path, stat.kind, stat.attributes, attributes);
    }
    assert!(fs.read(path, size)? == *bytes, "{path} reads back");
    Ok(())
}

/// Lets `change` replace a name. Where it fails, the name is as before or gone, never something half made.
fn whole<T>(
    fs: &dyn FileSystem,
    path: &ImagePath,
    change: impl FnOnce(&dyn FileSystem) -> Result<T, FsError>,
) -> Result<T, FsError> {
    let before = fs.stat(path).ok().flatten();
    change(fs).inspect_err(|error| {
        let after = fs.stat(path).ok().flatten();
        assert!(after.is_none() || after == before, "{path}: {after:?} is left behind by: {error}");
    })
}

/// Times that a format cannot keep may have become others.
fn check_attributes(path: &ImagePath, kind: Kind, got: Attributes, want: Attributes) {
    assert_eq!((got.uid, got.gid), (want.uid, want.gid), "{path}");
    if kind != Kind::Symlink {
        assert_eq!(got.mode, want.mode, "{path}");
    }
    if i32::try_from(want.mtime).is_ok() {
        assert_eq!(got.mtime, want.mtime, "{path}");
    }
}

/// The directory is resolved, the last name is not: that is what every call of the trait changes.
pub(crate) fn touch(fs: &dyn FileSystem, path: &ImagePath, touched: &mut Vec<Touched>) {
    let Some((dir, name)) = path.parent().zip(path.name()) else { return };
    if let Ok(path) = fs.resolve(&dir).map(|dir| dir.join(name).expect("a name is a name")) {
        touched.push(Touched { path });
    }
}

impl Touched {
    /// Whether `path` is it or lies below. FAT compares without regard to case.
    pub(crate) fn covers(&self, path: &str) -> bool {
        let own = self.path.as_str().trim_end_matches('/');
        path.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own))
            && matches!(path.as_bytes().get(own.len()), None | Some(b'/'))
    }
}

pub(crate) fn path(byte: u8) -> ImagePath {
    let (dir, name) = (DIRS[usize::from(byte >> 4)], NAMES[usize::from(byte & 15)]);
    ImagePath::parse(&format!("{dir}/{name}")).expect("the names are names")
}

/// From nothing to more than fits.
pub(crate) fn length(size: u16) -> usize {
    let low = usize::from(size & 0x3fff);
    match size >> 14 {
        0 => low % 64,
        1 => low,
        2 => low * 16,
        _ => low * 256,
    }
}

/// Bytes that tell their place, another row for another seed.
pub(crate) fn content(len: usize, seed: u8) -> &'static [u8] {
    static ROW: OnceLock<Vec<u8>> = OnceLock::new();
    let row = ROW.get_or_init(|| {
        let byte = |place: usize| (place % 251).to_le_bytes()[0] ^ (place / 1021).to_le_bytes()[0];
        (0..(4 << 20) + 256).map(byte).collect()
    });
    &row[usize::from(seed)..][..len]
}

/// Gives at most an odd number of bytes at once: a reader owes nobody more than one.
pub(crate) struct Pieces<'a>(pub(crate) &'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (piece, rest) = self.0.split_at(self.0.len().min(buffer.len()).min(4093));
        buffer[..piece.len()].copy_from_slice(piece);
        self.0 = rest;
        Ok(piece.len())
    }
}

/// Targets in the inode, at the boundary, in a block, too long for one; to directories, loops and out of the root.
fn target(byte: u8) -> String {
    match byte {
        0..16 => DIRS[usize::from(byte)].trim_start_matches('/').to_owned(),
        16..24 => "../".repeat(usize::from(byte) - 15),
        255 => "x/".repeat(2100),
        len => "t".repeat(usize::from(len) * 5 - 60),
    }
}

fn attributes(byte: u8) -> Attributes {
    let mode = [0o644, 0o755, 0o7777, 0][usize::from(byte & 3)];
    let (uid, gid) =
        [(0, 0), (1000, 1000), (70_000, 300_000), (u32::MAX - 1, 65_536)][usize::from(byte >> 2 & 3)];
    Attributes { mode, uid, gid, mtime: TIMES[usize::from(byte >> 4 & 7)] }
}

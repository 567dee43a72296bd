//! Operations that only ext4 has.

use std::fmt;

use hcimage::fs::ext4::{Ext4, Time};
use hcimage::fs::{FileSystem, FsError, ImagePath, Kind, Source};

use crate::operation::{Pieces, Touched, content, length, path, touch};
use crate::reader::Reader;

/// Names of extended attributes: one that the fixtures have, new ones, access control lists, and such as are refused.
const NAMES: [&str; 8] = [
    "user.small",
    "user.large",
    "user.new",
    "trusted.t",
    "security.capability",
    "system.posix_acl_access",
    "system.posix_acl_default",
    "other",
];

/// `getfacl` would say: user::rwx, user:1000:r--, group::r-x, mask::r-x, other::---.
const ACL: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255, 16,
    0, 5, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
];

/// One call.
#[derive(Clone, PartialEq, Eq)]
pub enum Ext4Operation {
    /// Gives another name.
    Rename(ImagePath, ImagePath),
    /// Gives one more name.
    HardLink(ImagePath, ImagePath),
    /// Removes all.
    RemoveTree(ImagePath),
    /// Removes an empty directory.
    RemoveDir(ImagePath),
    /// Writes behind the end.
    Append(ImagePath, &'static [u8]),
    /// Writes another content.
    Replace(ImagePath, &'static [u8]),
    /// Sets an extended attribute.
    SetXattr(ImagePath, &'static str, &'static [u8]),
    /// Removes one.
    RemoveXattr(ImagePath, &'static str),
    /// Sets both times.
    Times(ImagePath, Time),
}

impl Ext4Operation {
    /// Reads an operation of a `kind` of 4 bits.
    pub(crate) fn read(kind: u8, input: &mut Reader<'_>) -> Option<Self> {
        let own = path(input.u8()?);
        Some(match kind {
            0 | 1 => Self::Rename(own, path(input.u8()?)),
            2 => Self::HardLink(own, path(input.u8()?)),
            3 | 4 => Self::RemoveTree(own),
            5 => Self::RemoveDir(own),
            6..9 => Self::Append(own, content(length(input.u16()?), kind)),
            9 | 10 => Self::Replace(own, content(length(input.u16()?), kind)),
            11..14 => {
                let (name, len) = (NAMES[usize::from(input.u8()? % 8)], length(input.u16()? % 0x5000));
                let value = if name.starts_with("system.") { &ACL[..] } else { content(len, kind) };
                Self::SetXattr(own, name, value)
            }
            14 => Self::RemoveXattr(own, NAMES[usize::from(input.u8()? % 8)]),
            _ => {
                let (seconds, nanoseconds) = (i64::from(input.u32()?), u32::from(input.u16()?) << 14);
                Self::Times(own, Time { seconds, nanoseconds })
            }
        })
    }

    /// As [`Operation::apply`](crate::operation::Operation::apply).
    pub(crate) fn apply(&self, fs: &Ext4, touched: &mut Vec<Touched>) -> Result<(), FsError> {
        match self {
            Self::Rename(from, to) => {
                touch(fs, from, touched);
                touch(fs, to, touched);
                let before = [fs.metadata(from).ok(), fs.metadata(to).ok()];
                let done = fs.rename(from, to);
                let after = [fs.metadata(from).ok(), fs.metadata(to).ok()];
                let inode = |found: &Option<Option<_>>| {
                    found
                        .as_ref()
                        .and_then(Option::as_ref)
                        .map(|found: &hcimage::fs::ext4::Metadata| found.inode)
                };
                match &done {
                    Ok(()) => assert_eq!(inode(&after[1]), inode(&before[0]), "{from} is {to} now"),
                    Err(error) => assert_eq!(after, before, "{from} to {to}: {error}"),
                }
                done
            }
            Self::HardLink(existing, new) => {
                touch(fs, new, touched);
                fs.hard_link(existing, new)?;
                assert_eq!(fs.metadata(existing)?, fs.metadata(new)?, "{existing} and {new}");
                Ok(())
            }
            Self::RemoveTree(path) => gone(fs, path, touched, fs.remove_tree(path)),
            Self::RemoveDir(path) => gone(fs, path, touched, fs.remove_dir(path)),
            Self::Append(path, bytes) => append(fs, path, bytes, touched),
            Self::Replace(path, bytes) => {
                touch(fs, path, touched);
                fs.replace(path, &mut Source::streamed(&mut Pieces(bytes)), 7)?;
                assert!(fs.read(path, bytes.len() as u64)? == *bytes, "{path} reads back");
                Ok(())
            }
            Self::SetXattr(path, name, value) => {
                fs.set_xattr(path, name, value)?;
                assert_eq!(fs.xattr(path, name)?.as_deref(), Some(*value), "{name} of {path}");
                Ok(())
            }
            Self::RemoveXattr(path, name) => {
                fs.remove_xattr(path, name)?;
                assert_eq!(fs.xattr(path, name)?, None, "{name} of {path}");
                Ok(())
            }
            Self::Times(path, time) => fs.set_times(path, *time, *time),
        }
    }
}

fn gone(
    fs: &Ext4,
    path: &ImagePath,
    touched: &mut Vec<Touched>,
    done: Result<(), FsError>,
) -> Result<(), FsError> {
    touch(fs, path, touched);
    done?;
    assert_eq!(fs.stat(path)?, None, "{path} was removed");
    Ok(())
}

/// Every name of the file shows what was appended; which those are is not known here.
fn append(
    fs: &Ext4,
    path: &ImagePath,
    bytes: &'static [u8],
    touched: &mut Vec<Touched>,
) -> Result<(), FsError> {
    touch(fs, path, touched);
    let Some(before) = fs.metadata(path)?.filter(|before| before.kind == Kind::File) else {
        return fs.append(path, &mut Source::streamed(&mut Pieces(bytes))).map(drop);
    };
    if before.links > 1 {
        touched.push(Touched { path: ImagePath::root() });
    }
    let content = fs.read(path, 1 << 20).ok();
    let done = fs.append(path, &mut Source::streamed(&mut Pieces(bytes)));
    let now = fs.metadata(path)?.expect("it is still there");
    match done {
        Ok(count) => {
            assert_eq!((count, now.size), (bytes.len() as u64, before.size + bytes.len() as u64), "{path}");
            if let Some(content) = content {
                let all = fs.read(path, now.size)?;
                assert!(
                    all == [&content[..], bytes].concat(),
                    "{path} is what it was, and what was appended"
                );
            }
            Ok(())
        }
        Err(error) => {
            assert_eq!(now.size, before.size, "{path}: {error}");
            assert!(content.is_none() || fs.read(path, 1 << 20).ok() == content, "{path}: {error}");
            Err(error)
        }
    }
}

impl fmt::Debug for Ext4Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rename(from, to) => write!(f, "rename {from} to {to}"),
            Self::HardLink(existing, new) => write!(f, "link {existing} as {new}"),
            Self::RemoveTree(path) => write!(f, "remove all of {path}"),
            Self::RemoveDir(path) => write!(f, "remove directory {path}"),
            Self::Append(path, bytes) => write!(f, "append {} bytes to {path}", bytes.len()),
            Self::Replace(path, bytes) => write!(f, "replace {path} by {} bytes", bytes.len()),
            Self::SetXattr(path, name, value) => write!(f, "set {name} of {path}, {} bytes", value.len()),
            Self::RemoveXattr(path, name) => write!(f, "remove {name} of {path}"),
            Self::Times(path, time) => write!(f, "set {path}, {time:?}"),
        }
    }
}

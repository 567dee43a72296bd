//! The operations on files and directories, named by path.
//!
//! In: a path of the image, and what is to happen. Out: the answer, or an error with the path, the cause and the fix; an
//! operation that fails leaves a sound file system. `handle` is the opened file system, `lookup` follows paths,
//! `dentry` finds the entry that is about to change and checks whether it may, `directory_entries` edits names.
//! On these stand the operations: `read`, `write`, `links`, `rename`, `remove`, `attributes`, `xattr`, and
//! `space_estimate`, which says before what a plan needs.
//!
//! May use: `volume`, `layout` and the crate. Not: `fsck` (opening and finishing is the matter of `open`) or `resize`.

pub(crate) mod attributes;
mod changed_dirs;
pub(crate) mod dentry;
pub(crate) mod directory_entries;
pub(crate) mod handle;
pub(crate) mod links;
pub(crate) mod lookup;
pub(crate) mod read;
pub(crate) mod remove;
pub(crate) mod rename;
pub(crate) mod space_estimate;
pub(crate) mod write;
pub(crate) mod xattr;

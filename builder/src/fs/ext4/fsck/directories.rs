//! The tree of directories: it leads to each directory once, and every name to an inode of the kind that it says.

use super::directory::{self, damaged, text};
use super::inodes::Inodes;
use crate::fs::Result;
use crate::fs::ext4::error::{convert, corrupt};
use crate::fs::ext4::layout::directory_block::{UNKNOWN, kind};
use crate::fs::ext4::layout::inode::{DIR, ROOT};
use crate::fs::ext4::volume::blocks::Volume;

/// A directory that was found, and the one that names it.
struct Dir {
    number: u32,
    above: u32,
}

/// Walks through all directories, and notes in `inodes` what they name.
pub(super) fn check(volume: &Volume, inodes: &mut Inodes) -> Result<()> {
    let mut waiting = vec![Dir { number: ROOT, above: ROOT }];
    if !inodes.enter(ROOT) {
        return Err(corrupt("the root directory is not in use".to_owned()));
    }
    while let Some(Dir { number, above }) = waiting.pop() {
        let dir = volume.dir(number).map_err(|error| convert(error, &format!("directory inode {number}")))?;
        // `.` and `..`, both of which are names of a directory.
        inodes.named(number)?;
        inodes.named(above)?;
        let found = directory::check(volume, &dir, &mut |entry| {
            let Some(format) = inodes.named(entry.inode)? else {
                let (text, inode) = (text(entry.name), entry.inode);
                return Err(damaged(&dir, format!("{text} names inode {inode}, which is not in use")));
            };
            if ![UNKNOWN, kind(format)].contains(&entry.kind) {
                return Err(damaged(&dir, format!("{} has another kind than its inode", text(entry.name))));
            }
            if format == DIR {
                if !inodes.enter(entry.inode) {
                    return Err(damaged(
                        &dir,
                        format!("{} is a directory with a second name", text(entry.name)),
                    ));
                }
                waiting.push(Dir { number: entry.inode, above: number });
            }
            Ok(())
        })?;
        if found != above {
            return Err(damaged(&dir, "its entry `..` is missing or wrong".to_owned()));
        }
    }
    inodes.check_links()
}

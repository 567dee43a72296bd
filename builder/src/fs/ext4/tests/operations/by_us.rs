//! The operations as our layer does them, and the tree as it reads it.

use std::collections::BTreeMap;

use super::super::image::{DIR, PLAIN, noise, path};
use super::{Gathered, Operation, Outcome, Seen, Sight, TOP, What, acl_value, xattr_value};
use crate::fs::ext4::{Ext4, Time};
use crate::fs::{FileSystem, FsError, Kind, Result, Source};

pub(super) fn act(fs: &Ext4, operation: &Operation) -> Outcome {
    match done(fs, operation) {
        Ok(()) => Outcome::Done,
        Err(FsError::NotFound { .. }) => Outcome::NotFound,
        Err(FsError::BadPath { .. }) => Outcome::Refused,
        // A broken reader, wherever it was to go.
        Err(_) if matches!(operation, Operation::WriteBroken { .. }) => Outcome::Refused,
        Err(error) => panic!("{operation:?}: {error:?}"),
    }
}

fn done(fs: &Ext4, operation: &Operation) -> Result<()> {
    match operation {
        Operation::Write { at, size, with } => {
            fs.write_sized(&path(at), &mut noise(*size, *with).as_slice(), *size as u64, PLAIN)
        }
        Operation::WriteBroken { at, size, less } => {
            let announced = if *less { size + 1 } else { size - 1 };
            let broken = fs.write_sized(&path(at), &mut noise(*size, 1).as_slice(), announced as u64, PLAIN);
            Err(broken.expect_err("it must fail")).map_err(|error| match error {
                // The model does not look where it would have gone.
                FsError::NotFound { .. } => FsError::BadPath { path: at.clone(), problem: String::new() },
                error => error,
            })
        }
        Operation::Replace { at, size, with } => fs
            .replace(&path(at), &mut Source::streamed(&mut noise(*size, *with).as_slice()), PLAIN.mtime)
            .map(drop),
        Operation::Append { at, size, with } => {
            let bytes = noise(*size, *with);
            let added = fs.append(&path(at), &mut Source::sized(&mut bytes.as_slice(), *size as u64))?;
            assert_eq!(added, *size as u64);
            Ok(())
        }
        Operation::Symlink { at, target } => fs.symlink(&path(at), target, PLAIN),
        Operation::HardLink { from, to } => fs.hard_link(&path(from), &path(to)),
        Operation::Rename { from, to } => fs.rename(&path(from), &path(to)),
        Operation::Remove { at } => fs.remove(&path(at)),
        Operation::RemoveDir { at } => fs.remove_dir(&path(at)),
        Operation::RemoveTree { at } => fs.remove_tree(&path(at)),
        Operation::Dir { at } => fs.create_dirs(&path(at), DIR),
        Operation::Mode { at, mode } => fs.set_mode(&path(at), *mode),
        Operation::Owner { at, uid, gid } => fs.set_owner(&path(at), *uid, *gid),
        Operation::Times { at, modified: (seconds, nanoseconds) } => {
            let time = Time { seconds: *seconds, nanoseconds: *nanoseconds };
            fs.set_times(&path(at), time, time)
        }
        Operation::SetXattr { at, name, size } => fs.set_xattr(&path(at), name, &xattr_value(name, *size)),
        Operation::SetAcl { at, bits, user } => fs.set_xattr(&path(at), super::ACL, &acl_value(*bits, *user)),
        Operation::RemoveXattr { at, name } => fs.remove_xattr(&path(at), name),
    }
}

pub(super) fn sight(fs: &Ext4) -> Sight {
    let mut names = BTreeMap::new();
    let mut ahead = vec![TOP.to_owned()];
    while let Some(at) = ahead.pop() {
        let metadata = fs.metadata(&path(&at)).unwrap().unwrap();
        let what = match metadata.kind {
            Kind::Dir => {
                let entries = fs.list(&path(&at)).unwrap();
                ahead.extend(entries.into_iter().map(|entry| format!("{at}/{}", entry.name)));
                What::Dir
            }
            Kind::File => What::File(fs.read(&path(&at), 8 << 20).unwrap()),
            Kind::Symlink => What::Link(fs.read_link(&path(&at)).unwrap()),
            Kind::Special => panic!("{at}"),
        };
        let xattrs = fs.xattr_names(&path(&at)).unwrap().into_iter();
        let seen = Seen {
            what,
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            links: metadata.links.into(),
            modified: (metadata.modified.seconds, metadata.modified.nanoseconds),
            xattrs: xattrs
                .map(|name| (name.clone(), fs.xattr(&path(&at), &name).unwrap().unwrap()))
                .collect(),
            first_name: String::new(),
        };
        names.insert(at, (metadata.inode.into(), seen));
    }
    Gathered::sorted(names)
}

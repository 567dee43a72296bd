//! The operations as the kernel does them on its own mount, and the tree as it shows it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags, utimensat};

use super::super::super::scratch::scratch;
use super::super::image::{DIR, Image, NOW, OFFSET, PLAIN, noise, tool};
use super::{Gathered, Operation, Outcome, Seen, Sight, Stamp, TOP, What, acl_value, xattr_value};

/// A mounted image; unmounted when dropped, and with its result by [`Mounted::unmount`].
pub(in super::super) struct Mounted {
    on: tempfile::TempDir,
    since: i64,
}

impl Mounted {
    /// Mounts through a loop device; the reason if that is not possible here. Times from `since` on are the kernel's
    /// own and not any that were set.
    pub(in super::super) fn try_new(image: &Image, since: i64) -> Result<Self, String> {
        let on = scratch();
        let size = image.partition_len();
        let options = format!("loop,offset={OFFSET},sizelimit={size}");
        let arguments = ["-t", "ext4", "-o", &options, &image.file_path(), on.path().to_str().unwrap()];
        // Several tests may want the same free loop device at once.
        let mut said = String::new();
        for _ in 0..10 {
            let output = tool("mount", &arguments);
            if output.status.success() {
                return Ok(Self { on, since });
            }
            said = String::from_utf8_lossy(&output.stderr).into_owned();
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Err(said)
    }

    pub(in super::super) fn root(&self) -> &Path {
        self.on.path()
    }

    pub(in super::super) fn unmount(self) {
        // A process that another test is just starting may still hold our open files.
        let unmounted = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            tool("umount", &[self.on.path().to_str().unwrap()]).status.success()
        });
        assert!(unmounted, "unmounting {}", self.on.path().display());
    }

    fn at(&self, path: &str) -> PathBuf {
        self.on.path().join(path.trim_start_matches('/'))
    }

    /// Whether the kernel did it.
    pub(super) fn act(&self, operation: &Operation) -> bool {
        self.done(operation).is_ok()
    }

    fn done(&self, operation: &Operation) -> io::Result<()> {
        let refused = || Err(io::Error::from(ErrorKind::PermissionDenied));
        let kind = |at: &str| fs::symlink_metadata(self.at(at)).map(|metadata| metadata.file_type());
        match operation {
            Operation::Write { at, size, with } => self.put(at, |new| self.fill(new, &noise(*size, *with))),
            Operation::WriteBroken { .. } => refused(),
            Operation::Symlink { at, target } => self.put(at, |new| {
                symlink(target, new)?;
                set_times(new, (PLAIN.mtime, 0))
            }),
            Operation::Replace { at, size, with } => {
                if !kind(at)?.is_file() {
                    return refused();
                }
                let old = self.at(at);
                let metadata = fs::metadata(&old)?;
                self.put(at, |new| {
                    fs::write(new, noise(*size, *with))?;
                    for (name, value) in xattrs(&old) {
                        rustix::fs::lsetxattr(new, &name, &value, XattrFlags::empty())?;
                    }
                    lchown(new, Some(metadata.uid()), Some(metadata.gid()))?;
                    fs::set_permissions(new, Permissions::from_mode(metadata.mode() & 0o7777))?;
                    set_times(new, (PLAIN.mtime, 0))
                })
            }
            Operation::Append { at, size, with } => {
                if !kind(at)?.is_file() {
                    return refused();
                }
                OpenOptions::new().append(true).open(self.at(at))?.write_all(&noise(*size, *with))
            }
            Operation::HardLink { from, to } => fs::hard_link(self.at(from), self.at(to)),
            Operation::Rename { from, to } => fs::rename(self.at(from), self.at(to)),
            Operation::Remove { at } => fs::remove_file(self.at(at)),
            Operation::RemoveDir { at } => fs::remove_dir(self.at(at)),
            Operation::RemoveTree { at } if kind(at)?.is_dir() => fs::remove_dir_all(self.at(at)),
            Operation::RemoveTree { at } => fs::remove_file(self.at(at)),
            Operation::Dir { at } => self.make_dirs(at),
            Operation::Mode { at, .. } | Operation::SetAcl { at, .. } if kind(at)?.is_symlink() => refused(),
            Operation::Mode { at, mode } => {
                fs::set_permissions(self.at(at), Permissions::from_mode((*mode).into()))
            }
            Operation::Owner { at, uid, gid } => {
                let mode = fs::symlink_metadata(self.at(at))?.permissions();
                lchown(self.at(at), Some(*uid), Some(*gid))?;
                // The kernel takes set-id bits away; we leave them.
                if kind(at)?.is_symlink() { Ok(()) } else { fs::set_permissions(self.at(at), mode) }
            }
            Operation::Times { at, modified } => set_times(&self.at(at), *modified),
            Operation::SetXattr { at, name, size } => self.set_xattr(at, name, &xattr_value(name, *size)),
            Operation::SetAcl { at, bits, user } => self.set_xattr(at, super::ACL, &acl_value(*bits, *user)),
            Operation::RemoveXattr { at, name } => Ok(rustix::fs::lremovexattr(self.at(at), name)?),
        }
    }

    fn set_xattr(&self, at: &str, name: &str, value: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::lsetxattr(self.at(at), name, value, XattrFlags::empty())?)
    }

    fn fill(&self, at: &Path, content: &[u8]) -> io::Result<()> {
        fs::write(at, content)?;
        lchown(at, Some(0), Some(0))?;
        fs::set_permissions(at, Permissions::from_mode(PLAIN.mode.into()))?;
        set_times(at, (PLAIN.mtime, 0))
    }

    /// Makes something new and moves it into place.
    fn put(&self, at: &str, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let at = self.at(at);
        if fs::symlink_metadata(&at).is_ok_and(|metadata| metadata.is_dir()) {
            return Err(io::Error::from(ErrorKind::IsADirectory));
        }
        let new = at.with_file_name(".new");
        make(&new)?;
        fs::rename(new, at)
    }

    fn make_dirs(&self, path: &str) -> io::Result<()> {
        let mut at = self.on.path().to_owned();
        for name in path.split('/').skip(1) {
            at.push(name);
            match fs::symlink_metadata(&at) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => return Err(io::Error::from(ErrorKind::NotADirectory)),
                Err(_) => {
                    fs::create_dir(&at)?;
                    lchown(&at, Some(0), Some(0))?;
                    fs::set_permissions(&at, Permissions::from_mode(DIR.mode.into()))?;
                    set_times(&at, (DIR.mtime, 0))?;
                }
            }
        }
        Ok(())
    }

    /// The tree as the kernel shows it; its own times are shown as those of the edits.
    pub(super) fn sight(&self) -> Sight {
        let mut names = BTreeMap::new();
        let mut ahead = vec![TOP.to_owned()];
        while let Some(name) = ahead.pop() {
            let at = self.at(&name);
            let metadata = fs::symlink_metadata(&at).unwrap();
            let what = if metadata.is_dir() {
                let entries = fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().file_name());
                ahead.extend(entries.map(|entry| format!("{name}/{}", entry.to_str().unwrap())));
                What::Dir
            } else if metadata.is_symlink() {
                What::Link(fs::read_link(&at).unwrap().to_str().unwrap().to_owned())
            } else {
                What::File(fs::read(&at).unwrap())
            };
            let modified = (metadata.mtime(), u32::try_from(metadata.mtime_nsec()).unwrap());
            let is_now = (self.since..=now() + 1).contains(&modified.0);
            let seen = Seen {
                what,
                mode: (metadata.mode() & 0o7777) as u16,
                uid: metadata.uid(),
                gid: metadata.gid(),
                links: metadata.nlink(),
                modified: if is_now { (NOW, 0) } else { modified },
                xattrs: xattrs(&at),
                first_name: String::new(),
            };
            names.insert(name, (metadata.ino(), seen));
        }
        Gathered::sorted(names)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Not mounted any more where all went well.
        tool("umount", &["-q", self.on.path().to_str().unwrap()]);
    }
}

/// What the model says an operation comes to is what the kernel makes of it.
pub(super) fn agrees(outcome: Outcome, done: bool) -> bool {
    (outcome == Outcome::Done) == done
}

/// The time, in seconds.
pub(super) fn now() -> i64 {
    // The kernel's clock for files runs a tick behind.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed() - 1
}

fn set_times(at: &Path, (seconds, nanoseconds): Stamp) -> io::Result<()> {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, at, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn xattrs(at: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 4096];
    let len = rustix::fs::llistxattr(at, &mut names[..]).unwrap();
    let names = names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 4096];
        let name = String::from_utf8(name.to_vec()).unwrap();
        let len = rustix::fs::lgetxattr(at, &name, &mut value[..]).unwrap();
        value.truncate(len);
        (name, value)
    };
    names.map(value).collect()
}

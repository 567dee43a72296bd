//! Creating a directory without following symbolic links.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{CWD, Gid, Mode, OFlags, Uid, fchmod, fchown, fsync, mkdirat, openat};
use rustix::io::Errno;

/// The mode of intermediate directories.
const PLAIN: Mode = Mode::from_raw_mode(0o755);

/// Creates `below/path` step by step, opening each part without following a link, then sets owner and mode of the last
/// one. `below` must exist.
pub(super) fn make_owned(below: &Path, path: &Path, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let mut dir = openat(CWD, below, flags, Mode::empty())?;
    for part in path.components() {
        let Component::Normal(name) = part else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "invalid path: a part of it is not a name",
            ));
        };
        dir = step(&dir, Path::new(name), flags)?;
    }
    // The owner first: changing it may clear the set-ID bits of the mode.
    fchown(&dir, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    fchmod(&dir, Mode::from_bits_truncate(mode))?;
    Ok(fsync(&dir)?)
}

/// Opens a directory, which is created if missing; the name is synced before it is used.
fn step(dir: &OwnedFd, name: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    match mkdirat(dir, name, PLAIN) {
        Ok(()) => fsync(dir)?,
        Err(Errno::EXIST) => {}
        Err(e) => return Err(e.into()),
    }
    match openat(dir, name, flags, Mode::empty()) {
        Ok(next) => Ok(next),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let message = format!("{} is a link or a file, not a directory", name.display());
            Err(io::Error::new(io::ErrorKind::NotADirectory, message))
        }
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn me(root: &Path) -> (u32, u32) {
        let meta = root.metadata().unwrap();
        (meta.uid(), meta.gid())
    }

    #[test]
    fn a_directory_gets_its_mode_whether_new_or_existing() {
        let root = tempfile::tempdir().unwrap();
        let (uid, gid) = me(root.path());
        for mode in [0o700, 0o2775] {
            make_owned(root.path(), Path::new("a/b"), mode, uid, gid).unwrap();
            let meta = root.path().join("a/b").metadata().unwrap();
            assert_eq!((meta.mode() & 0o7777, meta.uid(), meta.gid()), (mode, uid, gid));
        }
        assert_eq!(root.path().join("a").metadata().unwrap().mode() & 0o777, 0o755);
    }

    #[test]
    fn a_link_in_the_path_is_rejected() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let (uid, gid) = me(root.path());
        symlink(outside.path(), root.path().join("link")).unwrap();
        for path in ["link", "link/b"] {
            let error = make_owned(root.path(), Path::new(path), 0o700, uid, gid).unwrap_err();
            assert_eq!(error.to_string(), "link is a link or a file, not a directory");
        }
        assert_eq!(outside.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_path_with_dot_dot_is_rejected() {
        let root = tempfile::tempdir().unwrap();
        let (uid, gid) = me(root.path());
        assert!(make_owned(root.path(), Path::new("a/../../b"), 0o700, uid, gid).is_err());
    }
}

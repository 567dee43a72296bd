//! Files and directories that are the user's alone, in the cache: links are not followed, and nothing of another owner is used.
//!
//! Windows has access control lists in place of owners and modes. There the cache is as private as the directory that it is in,
//! by default the user's own `%LOCALAPPDATA%`.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::path::Path;

use super::error::{IoContext, Result, SourceError};

/// Makes the directory, which nobody but its owner may enter, and what is missing above it. One that is there must be the
/// user's own and no link; others lose their access.
pub(crate) fn make_dir(dir: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let found = match fs::symlink_metadata(dir) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            builder.create(dir).context("making the directory", dir)?;
            fs::symlink_metadata(dir).context("looking at", dir)?
        }
        Err(error) => return Err(error).context("looking at", dir),
    };
    if !found.is_dir() {
        return Err(refused(dir, if found.is_symlink() { "a link" } else { "no directory" }));
    }
    require_own(&found, dir)?;
    restrict(dir, &found)
}

/// As [`make_dir`], where the directory may be a link: the user's own link to the user's own directory.
pub(crate) fn make_root(dir: &Path) -> Result<()> {
    match fs::symlink_metadata(dir) {
        Ok(link) if link.is_symlink() => {
            require_own(&link, dir)?;
            make_dir(&dir.canonicalize().context("following the link", dir)?)
        }
        _ => make_dir(dir),
    }
}

/// Opens a regular file of the user's for reading, if there is one.
pub(crate) fn open(path: &Path) -> Result<Option<File>> {
    let mut options = File::options();
    options.read(true);
    open_with(&mut options, path)
}

/// Opens a regular file of the user's for reading and writing; a new one where there is none.
pub(crate) fn open_or_create(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    mode(&mut options);
    match open_with(&mut options, path)? {
        Some(file) => Ok(file),
        None => Err(io::Error::from(io::ErrorKind::NotFound)).context("opening", path),
    }
}

/// Creates a file, in the place of whatever has its name.
pub(crate) fn create(path: &Path) -> Result<File> {
    remove(path)?;
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    mode(&mut options);
    options.open(path).context("creating", path)
}

/// Removes a file, or the link of that name; it may be missing.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("removing", path),
        _ => Ok(()),
    }
}

/// Leaves a complete file to be read by its owner alone.
#[cfg(unix)]
pub(crate) fn make_read_only(file: &File) -> io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o400))
}

/// The attribute of Windows would keep nobody from writing, but this program from removing the file.
#[cfg(windows)]
pub(crate) fn make_read_only(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Whether a file belongs to the user who runs this.
pub(crate) fn is_own(found: &Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::uid(found) == rustix::process::geteuid().as_raw();
    #[cfg(not(unix))]
    {
        let _ = found;
        true
    }
}

/// `winbase.h`.
#[cfg(windows)]
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

fn open_with(options: &mut fs::OpenOptions, path: &Path) -> Result<Option<File>> {
    // The link itself is opened, and is no regular file.
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::custom_flags(options, FILE_FLAG_OPEN_REPARSE_POINT);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, i32::try_from(flags).unwrap_or_default());
    }
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => return Ok(None),
        Err(_) if path.is_symlink() => return Err(refused(path, "a link")),
        Err(error) => return Err(error).context("opening", path),
    };
    let found = file.metadata().context("looking at", path)?;
    if !found.is_file() {
        return Err(refused(path, "no regular file"));
    }
    require_own(&found, path)?;
    Ok(Some(file))
}

fn mode(options: &mut fs::OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

fn require_own(found: &Metadata, path: &Path) -> Result<()> {
    if is_own(found) { Ok(()) } else { Err(refused(path, "another user's")) }
}

#[cfg(unix)]
fn restrict(dir: &Path, found: &Metadata) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if found.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).context("restricting", dir)
}

#[cfg(not(unix))]
fn restrict(_dir: &Path, _found: &Metadata) -> Result<()> {
    Ok(())
}

fn refused(path: &Path, found: &str) -> SourceError {
    SourceError::Invalid {
        what: path.display().to_string(),
        problem: format!(
            "it is {found}, but the cache takes only files and directories of your own, without links: remove it, or set \
             HCIMAGE_CACHE to another directory"
        ),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o777)
    }

    #[test]
    fn directories_are_the_users_alone_and_no_links() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        make_dir(&at("a/b")).unwrap();
        assert_eq!((mode(&at("a")), mode(&at("a/b"))), (0o700, 0o700));
        fs::create_dir(at("open")).unwrap();
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o777)).unwrap();
        make_dir(&at("open")).unwrap();
        assert_eq!(mode(&at("open")), 0o700);
        symlink("a", at("link")).unwrap();
        assert!(make_dir(&at("link")).unwrap_err().to_string().contains("a link"));
        make_root(&at("link")).unwrap();
        fs::write(at("file"), "").unwrap();
        assert!(make_dir(&at("file")).is_err());
    }

    #[test]
    fn a_planted_link_is_neither_read_nor_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, link) = (dir.path().join("victim"), dir.path().join("link"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &link).unwrap();
        assert!(open(&link).is_err() && open_or_create(&link).is_err());
        create(&link).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(!link.is_symlink() && mode(&link) == 0o600);
        symlink(dir.path().join("absent"), dir.path().join("dangling")).unwrap();
        assert!(open(&dir.path().join("dangling")).is_err());
        assert!(open(&dir.path().join("absent")).unwrap().is_none());
    }
}

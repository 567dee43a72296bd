//! What a cached file looked like when its bytes were verified, so that they need not be hashed again for every build.
//!
//! `<file>.verified` has the digest, and size, device, inode, and the times of the last change of content and of the inode.
//! The system sets the last one at each change; nobody can set it back. Where one of them differs, nothing is known of the
//! bytes. Windows tells no time of the last change of the inode: there the time at which the file was made stands in its
//! place, and who sets the time of the content back is not noticed.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::digest::Sha256Digest;
use super::error::{IoContext, Result};
use super::private;

/// The longest record: a digest and seven numbers.
const LONGEST: u64 = 256;

/// Notes that the bytes of `file`, which has its final name and mode, are those of `sha256`.
pub(crate) fn write(path: &Path, file: &File, sha256: &Sha256Digest) -> Result<()> {
    let record = beside(path);
    let text = seen(file, sha256).context("looking at", path)?;
    let mut file = private::create(&record)?;
    file.write_all(text.as_bytes()).context("writing", &record)
}

/// Whether `file` is as it was when its bytes were those of `sha256`.
pub(crate) fn holds(path: &Path, file: &File, sha256: &Sha256Digest) -> Result<bool> {
    let Some(record) = private::open(&beside(path))? else { return Ok(false) };
    let mut text = Vec::new();
    record.take(LONGEST).read_to_end(&mut text).context("reading", &beside(path))?;
    Ok(text == seen(file, sha256).context("looking at", path)?.as_bytes())
}

/// Removes a file and its record.
pub(crate) fn remove(path: &Path) -> Result<()> {
    private::remove(&beside(path))?;
    private::remove(path)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(".verified");
    name.into()
}

#[cfg(unix)]
fn seen(file: &File, sha256: &Sha256Digest) -> std::io::Result<String> {
    use std::os::unix::fs::MetadataExt;
    let found = file.metadata()?;
    Ok(format!(
        "{sha256} {} {} {} {}.{} {}.{}\n",
        found.size(),
        found.dev(),
        found.ino(),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec()
    ))
}

#[cfg(windows)]
fn seen(file: &File, sha256: &Sha256Digest) -> std::io::Result<String> {
    let found = winapi_util::file::information(file)?;
    Ok(format!(
        "{sha256} {} {} {} {} {}\n",
        found.file_size(),
        found.volume_serial_number(),
        found.file_index(),
        found.last_write_time().unwrap_or_default(),
        found.creation_time().unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn any_change_of_the_file_breaks_the_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let digest = Sha256Digest::of(b"content");
        let known = |digest: &Sha256Digest| holds(&path, &File::open(&path).unwrap(), digest).unwrap();
        let changes: &[&dyn Fn()] = &[
            &|| fs::write(&path, "contenT").unwrap(),
            #[cfg(unix)]
            &|| {
                // The same size, and the time of the content set back.
                let before = fs::metadata(&path).unwrap().modified().unwrap();
                fs::write(&path, "CONTENT").unwrap();
                File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
            },
            &|| {
                fs::copy(&path, dir.path().join("y")).unwrap();
                fs::rename(dir.path().join("y"), &path).unwrap();
            },
        ];
        for change in changes {
            fs::write(&path, "content").unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            write(&path, &File::open(&path).unwrap(), &digest).unwrap();
            assert!(known(&digest) && !known(&Sha256Digest::of(b"other")));
            // Times of files have the granularity of the system's clock tick.
            std::thread::sleep(Duration::from_millis(20));
            change();
            assert!(!known(&digest));
        }
    }
}

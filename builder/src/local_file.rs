//! Files of this machine that the user, a cluster file or a lock file names: regular ones only, and never without end.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hc_common::text::decode;

/// The longest text that is read: cluster files, keys, certificates, checksums, locks, board profiles.
pub const TEXT_LIMIT: u64 = 1 << 20;

/// Opens a regular file for reading. A pipe, a device or a directory is refused, and none of them is waited for.
///
/// # Errors
/// With the reason, where it is not a regular file, besides what the system refuses.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    // A pipe would block until somebody writes into it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nonblocking());
    let file = options.open(path)?;
    let found = file.metadata()?;
    if found.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("expected a regular file, found {}", kind(&found)),
    ))
}

/// Whether one path was changed before another. False where one of them is not there.
pub fn is_older(one: &Path, other: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    matches!((changed(one), changed(other)), (Some(one), Some(other)) if one < other)
}

/// The folder and what is in it: these files, by their names below it with `/`, and the folders that they are in, which change when
/// a file comes or goes.
pub fn paths_in<'a>(folder: &Path, files: impl Iterator<Item = &'a str>) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::from([folder.to_owned()]);
    for file in files {
        let path = file.split('/').fold(folder.to_owned(), |path, part| path.join(part));
        paths.extend(path.ancestors().take_while(|path| *path != folder).map(Path::to_owned));
    }
    paths
}

/// All bytes of a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open`], and where it is longer. A file that holds more than its size says, as those in `/proc`, is refused too.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidInput, problem);
    let file = open(path)?;
    let size = file.metadata()?.len();
    if size > limit {
        return Err(invalid(format!("the file has {size} bytes, expected at most {limit}")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(size.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > size {
        return Err(invalid(format!(
            "expected an ordinary file: it holds more than the {size} bytes of its size, as files of the kernel do"
        )));
    }
    Ok(bytes)
}

/// The text of a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`read`], and where it is not UTF-8. A byte order mark is left off.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let bytes = read(path, limit)?;
    let text = decode(&bytes).map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, problem))?;
    Ok(text.to_owned())
}

/// Names that Windows takes for devices, in every directory and with every ending ("Naming Files, Paths, and Namespaces" of its
/// documentation; Windows 11 takes some of them for files).
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Whether Windows has no file of this name: it stands for a device, has a character of Windows's own paths, or ends as no name does.
pub fn is_refused_by_windows(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_numbered = |port: &str| {
        let number = stem.strip_prefix(port).unwrap_or_default();
        matches!(number, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
    };
    DEVICES.contains(&stem.as_str())
        || is_numbered("com")
        || is_numbered("lpt")
        || name.contains(['<', '>', ':', '"', '/', '\\', '|', '?', '*'])
        || name.chars().any(|c| c < ' ')
        || name.ends_with(['.', ' '])
}

/// Whether a path leads to another machine or to a device, on Windows: `\\server\share`, `\\.\COM1`, `\??\C:`. Windows logs in at the
/// other machine with the user's name and a proof of his password.
pub fn is_network_path_of_windows(path: &str) -> bool {
    let is_slash = |c: char| matches!(c, '/' | '\\');
    let rest = path.trim_start_matches(is_slash);
    let slashes = path.len().saturating_sub(rest.len());
    slashes > 1 || (slashes == 1 && rest.starts_with("??"))
}

#[cfg(unix)]
fn nonblocking() -> i32 {
    i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default()
}

/// What a file is, for messages.
fn kind(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    if kind.is_dir() {
        return "a directory";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    "something else"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let socket = dir.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, want) in [
            (Path::new("/dev/zero"), "found a device"),
            (&fifo, "found a pipe"),
            (dir.path(), "found a directory"),
            (Path::new("/proc/self/maps"), "more than the 0 bytes"),
        ] {
            let error = read(path, TEXT_LIMIT).unwrap_err().to_string();
            assert!(error.contains(want), "{}: {error}", path.display());
        }
        assert!(read(&socket, TEXT_LIMIT).is_err());
    }

    #[test]
    fn names_of_devices_are_no_names_of_files() {
        for refused in [
            "aux",
            "AUX.img",
            "nul.tar.gz",
            "con .img",
            "com1",
            "Lpt9.x",
            "com¹",
            "a:b",
            "a?",
            "a.",
            "a ",
            "a\\b",
            "conin$",
        ] {
            assert!(is_refused_by_windows(refused), "{refused}");
        }
        for fine in [
            "auxiliary.img",
            "com",
            "com10",
            "lpt-1.img",
            "hc-1-cm4.img",
            "k3s-airgap-images-arm64.tar.zst",
            "ä b.img",
        ] {
            assert!(!is_refused_by_windows(fine), "{fine}");
        }
    }

    #[test]
    fn another_machine_and_a_device_are_told_from_a_path() {
        for path in [
            r"\\nas\share\x",
            "//nas/share/x",
            r"\/nas\x",
            r"\\.\PhysicalDrive0",
            r"\\?\UNC\nas\x",
            r"\??\C:\x",
        ] {
            assert!(is_network_path_of_windows(path), "{path}");
        }
        for path in ["x", r"a\b", "/etc/x", r"C:\x", "C:/x", "../x"] {
            assert!(!is_network_path_of_windows(path), "{path}");
        }
    }

    #[test]
    fn a_file_may_be_as_long_as_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        assert!(read(&path, 4).unwrap_err().to_string().contains("5 bytes, expected at most 4"));
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read_text(&path, 5).unwrap_err().to_string().contains("UTF-8"));
    }
}

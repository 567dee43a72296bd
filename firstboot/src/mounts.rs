//! Mounts, from `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

use std::path::{Path, PathBuf};

use crate::sys::System;

/// One mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// `major:minor` of the device.
    pub(crate) device: String,
    /// The directory of that file system that is mounted, `/` for all of it.
    pub(crate) root: PathBuf,
    /// The mount point.
    pub(crate) at: PathBuf,
    /// The type of the file system, such as `ext4`.
    pub(crate) fstype: String,
    /// Whether it is read-only, by its options or after an error.
    pub(crate) read_only: bool,
}

/// The mount at a directory: the last one, which hides earlier ones. `None` also if the list is unreadable.
pub(crate) fn at(sys: &dyn System, dir: &Path) -> Option<Mount> {
    find(sys, |mount| mount.at == dir)
}

/// The mount of a device, by its `major:minor`.
pub(crate) fn of(sys: &dyn System, device: &str) -> Option<Mount> {
    find(sys, |mount| mount.device == device)
}

fn find(sys: &dyn System, wanted: impl Fn(&Mount) -> bool) -> Option<Mount> {
    let bytes = sys.read(Path::new("/proc/self/mountinfo")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rev().filter_map(parse).find(wanted)
}

/// Fields: id, parent, major:minor, root, mount point, options, optional fields, `-`, type, source, super options.
fn parse(line: &str) -> Option<Mount> {
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ');
    let device = front.nth(2)?.to_owned();
    let root = PathBuf::from(unescape(front.next()?));
    let at = PathBuf::from(unescape(front.next()?));
    let options = front.next()?;
    let mut back = back.split(' ');
    let fstype = back.next()?.to_owned();
    let of_super = back.nth(1)?;
    let read_only = [options, of_super].iter().any(|list| list.split(',').any(|word| word == "ro"));
    Some(Mount { device, root, at, fstype, read_only })
}

/// The kernel escapes space, tab, newline and backslash as three octal digits.
pub(crate) fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_is_parsed() {
        let table = [
            (
                "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
                Some(("98:0", "/mnt 2", false)),
            ),
            ("36 35 8:1 / /data ro,relatime - ext4 /dev/sda1 rw", Some(("8:1", "/data", true))),
            ("36 35 8:1 / /data rw,relatime - ext4 /dev/sda1 ro", Some(("8:1", "/data", true))),
            (
                "36 35 8:1 / /data rw,relatime shared:7 master:2 - ext4 /dev/sda1 rw",
                Some(("8:1", "/data", false)),
            ),
            ("36 35", None),
            ("", None),
        ];
        for (line, expected) in table {
            let found = parse(line);
            let found = found.as_ref().map(|m| (m.device.as_str(), m.at.to_str().unwrap(), m.read_only));
            assert_eq!(found, expected, "{line}");
        }
    }
}

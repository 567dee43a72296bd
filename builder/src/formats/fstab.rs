//! `/etc/fstab`: a data disk mounted by its label, and no swap.

use super::error::EditError;
use crate::value::{FsLabel, MountPoint};
use hc_common::text::Lines;

/// The path of the file.
pub const PATH: &str = "/etc/fstab";

/// A file system to mount by its label.
#[derive(Debug, Clone, Copy)]
pub struct LabelMount<'a> {
    /// The label.
    pub label: &'a FsLabel,
    /// The mount point.
    pub mount: &'a MountPoint,
    /// The file system's type, such as `ext4`.
    pub fstype: &'a str,
    /// Mount options, such as `defaults,nofail`.
    pub options: &'a str,
}

/// Ensures that one line mounts the label, checked at boot after the root (`0 2`). A matching line is kept unchanged; a
/// line with other options is replaced in its place.
///
/// Fails if another device is mounted there.
pub fn ensure_mount_by_label(text: &str, wanted: LabelMount<'_>) -> Result<String, EditError> {
    let mut lines = Lines::parse(text);
    let mut found = false;
    for (number, line) in (1..).zip(lines.bodies_mut()) {
        let Some(entry) = Entry::parse(line) else { continue };
        if !entry.is_mounted_at(wanted.mount.as_str()) {
            continue;
        }
        if !entry.has_label(wanted.label) {
            let (device, mount) = (entry.device.to_owned(), wanted.mount.to_string());
            return Err(EditError::MountTaken { line: number, device, mount });
        }
        if !entry.agrees(wanted) {
            *line = render(wanted);
        }
        found = true;
    }
    if !found {
        lines.push(render(wanted));
    }
    Ok(lines.render())
}

/// Ensures that one line mounts a directory at a second place, whether or not its disk is there at boot.
///
/// Fails if something else is mounted there.
pub fn ensure_bind(text: &str, from: &str, at: &str) -> Result<String, EditError> {
    let mut lines = Lines::parse(text);
    let wanted = format!("{} {} none bind,nofail 0 0", escape(from), escape(at));
    for (number, line) in (1..).zip(lines.bodies()) {
        let Some(entry) = Entry::parse(line).filter(|entry| entry.is_mounted_at(at)) else { continue };
        if line == wanted {
            return Ok(text.to_owned());
        }
        let (device, mount) = (entry.device.to_owned(), at.to_string());
        return Err(EditError::MountTaken { line: number, device, mount });
    }
    lines.push(wanted);
    Ok(lines.render())
}

/// Mounts the root with `noatime`, to avoid writes, unless its line has an option for access times.
pub fn without_access_times(text: &str) -> String {
    let mut lines = Lines::parse(text);
    for line in lines.bodies_mut() {
        let Some(entry) = Entry::parse(line).filter(|entry| entry.mount == "/") else { continue };
        let said = ["noatime", "relatime", "strictatime", "norelatime", "atime"];
        if entry.options.split(',').any(|option| said.contains(&option)) {
            continue;
        }
        if let Some((head, tail)) = around_options(line) {
            *line = format!("{head}{},noatime{tail}", entry.options);
        }
    }
    lines.render()
}

/// The text before and after the options (the fourth field), if the line has any.
fn around_options(line: &str) -> Option<(&str, &str)> {
    let is_blank = |c: char| c == ' ' || c == '\t';
    let mut rest = line.trim_start_matches(is_blank);
    for _ in 0..3 {
        rest = rest.get(rest.find(is_blank)?..)?.trim_start_matches(is_blank);
    }
    let end = rest.find(is_blank).unwrap_or(rest.len());
    let head = line.get(..line.len().checked_sub(rest.len())?)?;
    Some((head, rest.get(end..)?)).filter(|_| end > 0)
}

/// Removes swap lines. k3s starts with swap, but the memory limits of its pods would not be effective.
pub fn remove_swap(text: &str) -> String {
    let mut lines = Lines::parse(text);
    lines.retain(|_, line| Entry::parse(line).is_none_or(|entry| entry.fstype != "swap"));
    lines.render()
}

/// The swap files and devices, as written.
pub fn swaps(text: &str) -> Vec<String> {
    let swaps = mounts(text).into_iter().filter(|mount| mount.fstype == "swap");
    swaps.map(|mount| mount.device).collect()
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its line, counted from 1.
    pub line: usize,
    /// The device: a tag such as `LABEL=writable`, or a path.
    pub device: String,
    /// The mount point, without a trailing slash.
    pub point: String,
    /// The file system's type, such as `vfat`.
    pub fstype: String,
    /// The mount options.
    pub options: Vec<String>,
}

/// All mounts, in the order of the file.
pub fn mounts(text: &str) -> Vec<Mount> {
    (1..)
        .zip(text.lines())
        .filter_map(|(line, text)| Some((line, Entry::parse(text)?)))
        .map(|(line, entry)| {
            let plain = |field| String::from_utf8_lossy(&unescape(field)).into_owned();
            let point = plain(entry.mount);
            let point =
                point.strip_suffix('/').filter(|point| !point.is_empty()).unwrap_or(&point).to_owned();
            let options = entry.options.split(',').map(str::to_owned).collect();
            Mount { line, device: plain(entry.device), point, fstype: entry.fstype.to_owned(), options }
        })
        .collect()
}

fn render(wanted: LabelMount<'_>) -> String {
    let LabelMount { label, mount, fstype, options } = wanted;
    format!("LABEL={label} {} {} {} 0 2", escape(mount.as_str()), escape(fstype), escape(options))
}

/// The first four fields of a line, as written (fstab(5)).
struct Entry<'a> {
    device: &'a str,
    mount: &'a str,
    fstype: &'a str,
    options: &'a str,
    pass: Option<&'a str>,
}

impl<'a> Entry<'a> {
    /// `None` for a comment, an empty line, and a line that mount(8) would not accept either.
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split([' ', '\t']).filter(|field| !field.is_empty());
        let device = fields.next().filter(|device| !device.starts_with('#'))?;
        let (mount, fstype) = (fields.next()?, fields.next()?);
        let options = fields.next().unwrap_or("defaults");
        let _dump = fields.next();
        Some(Self { device, mount, fstype, options, pass: fields.next() })
    }

    fn is_mounted_at(&self, mount: &str) -> bool {
        let here = unescape(self.mount);
        let here = here.strip_suffix(b"/").unwrap_or(&here);
        here == mount.as_bytes()
    }

    /// `LABEL=x`, `LABEL="x"` and `/dev/disk/by-label/x` name the same device.
    fn has_label(&self, label: &FsLabel) -> bool {
        let device = unescape(self.device);
        let tag = device.strip_prefix(b"LABEL=").map(|value| {
            value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
        });
        tag.or_else(|| device.strip_prefix(b"/dev/disk/by-label/")) == Some(label.as_str().as_bytes())
    }

    fn agrees(&self, wanted: LabelMount<'_>) -> bool {
        let same = |written: &str, wanted: &str| unescape(written) == wanted.as_bytes();
        same(self.fstype, wanted.fstype) && same(self.options, wanted.options) && self.pass == Some("2")
    }
}

/// Escapes the characters that would end a field as three octal digits.
fn escape(field: &str) -> String {
    let mut text = String::new();
    for character in field.chars() {
        match character {
            ' ' => text.push_str("\\040"),
            '\t' => text.push_str("\\011"),
            '\n' => text.push_str("\\012"),
            '\\' => text.push_str("\\134"),
            other => text.push(other),
        }
    }
    text
}

fn unescape(field: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        match octal(rest) {
            Some((byte, after)) => {
                bytes.push(byte);
                rest = after;
            }
            None => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    bytes
}

/// `\ooo` at the beginning, and the rest.
fn octal(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = bytes.strip_prefix(b"\\")?.split_at_checked(3)?;
    if !digits.iter().all(|digit| matches!(digit, b'0'..=b'7')) {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    Some((u8::from_str_radix(digits, 8).ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_gets_noatime_unless_it_has_an_access_time_option() {
        for (text, want) in [
            (
                "LABEL=writable\t/\t ext4\tdefaults\t0 1\n",
                "LABEL=writable\t/\t ext4\tdefaults,noatime\t0 1\n",
            ),
            ("LABEL=R / ext4 rw", "LABEL=R / ext4 rw,noatime"),
            ("LABEL=R / ext4 defaults,noatime 0 1\n", "LABEL=R / ext4 defaults,noatime 0 1\n"),
            ("LABEL=R / ext4 strictatime 0 1\n", "LABEL=R / ext4 strictatime 0 1\n"),
            (
                "# LABEL=R / ext4 rw\nLABEL=B /boot ext4 rw 0 2\n",
                "# LABEL=R / ext4 rw\nLABEL=B /boot ext4 rw 0 2\n",
            ),
            // A line without options stays unchanged: mount(8) uses its defaults.
            ("LABEL=R / ext4\n", "LABEL=R / ext4\n"),
        ] {
            assert_eq!(without_access_times(text), want, "{text:?}");
            assert_eq!(without_access_times(want), want);
        }
    }

    fn ensured(text: &str, mount: &str) -> Result<String, EditError> {
        ensure_mount_by_label(
            text,
            LabelMount {
                label: &"k8s-data".parse().unwrap(),
                mount: &mount.parse().unwrap(),
                fstype: "ext4",
                options: "defaults,nofail",
            },
        )
    }

    #[test]
    fn a_matching_line_stays_unchanged() {
        for line in [
            "LABEL=k8s-data /k8s-data ext4 defaults,nofail 0 2\n",
            "LABEL=\"k8s-data\"\t/k8s-data/\text4\tdefaults,nofail\t0\t2\n",
            "/dev/disk/by-label/k8s-data /k8s-data ext4 defaults,nofail 0 2",
        ] {
            assert_eq!(ensured(line, "/k8s-data").unwrap(), line);
        }
    }

    #[test]
    fn another_device_at_the_mount_point_is_an_error() {
        for (line, mount) in [
            ("UUID=1234 /k8s-data/ ext4 defaults 0 2", "/k8s-data"),
            ("UUID=1234 /my\\040data ext4", "/my data"),
        ] {
            let error = ensured(&format!("# x\n{line}\n"), mount).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "line 2 mounts \"UUID=1234\" at {mount}: choose another mount point or remove that line"
                )
            );
        }
    }

    #[test]
    fn a_directory_is_bound_once_and_to_a_free_place() {
        let bind = |text: &str| ensure_bind(text, "/my data/db", "/srv/db");
        let text = "LABEL=k8s-data /my\\040data ext4 defaults 0 2\n";
        let bound = bind(text).unwrap();
        assert_eq!(bound, format!("{text}/my\\040data/db /srv/db none bind,nofail 0 0\n"));
        assert_eq!(bind(&bound).unwrap(), bound);
        let error = bind("/dev/sdb1 /srv/db/ ext4\n").unwrap_err().to_string();
        assert!(error.starts_with("line 1 mounts \"/dev/sdb1\" at /srv/db"), "{error}");
    }

    #[test]
    fn mounts_and_swap_are_read() {
        let text = "# c\nLABEL=a / ext4 rw 0 1\nLABEL=b /boot/firmware/ vfat\n/dev/x /my\\040data ext4\n";
        let points: Vec<_> = mounts(text).into_iter().map(|mount| (mount.point, mount.fstype)).collect();
        let want = [("/", "ext4"), ("/boot/firmware", "vfat"), ("/my data", "ext4")];
        assert_eq!(points, want.map(|(point, fstype)| (point.to_owned(), fstype.to_owned())));
        assert!(swaps(text).is_empty());
        assert_eq!(swaps("/swap.img\tnone\tswap\tsw\t0 0\nUUID=1 none swap\n"), ["/swap.img", "UUID=1"]);
        assert!(swaps("#/swapfile none swap sw 0 0").is_empty());
    }

    #[test]
    fn escapes_go_both_ways() {
        for (plain, escaped) in [("a b", "a\\040b"), ("a\tb\nc\\d", "a\\011b\\012c\\134d")] {
            assert_eq!(escape(plain), escaped);
            assert_eq!(unescape(escaped), plain.as_bytes());
        }
        for odd in ["\\", "\\04", "\\999", "\\777", "a\\"] {
            assert_eq!(unescape(odd), odd.as_bytes());
        }
    }
}

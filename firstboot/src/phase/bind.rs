//! Binds the data disk to the UUID of its file system once the node is Ready: until then any disk with the label is the node's,
//! from then on only the one that its data is on.

use std::path::Path;

use super::data_disk;
use crate::context::Context;
use crate::durable;
use crate::mounts;
use crate::seed::DataDisk;
use crate::sys::Command;

const FSTAB: &str = "/etc/fstab";

/// Makes the disk's line of fstab name the UUID. Nothing is changed where the disk is not mounted, or where the line is not
/// the builder's. The error is a note of the report: the node works as it is.
pub(super) fn by_uuid(cx: &Context<'_>) -> Result<(), String> {
    let Some(disk) = &cx.seed.data_disk else { return Ok(()) };
    let Some(device) = data_disk::mounted(cx, disk) else { return Ok(()) };
    let failed = |why: String| format!("the data disk {} is still found by its label: {why}", disk.label);
    let uuid = uuid(cx, &device).map_err(failed)?;
    let path = Path::new(FSTAB);
    let file = |e: std::io::Error| failed(format!("{FSTAB}: {e}"));
    let bytes = cx.sys.read(path).map_err(file)?;
    let text = String::from_utf8(bytes).map_err(|_| failed(format!("{FSTAB} is not UTF-8 text")))?;
    let Some(bound) = bound(&text, disk, &uuid) else {
        return Err(failed(format!("{FSTAB} has no line for LABEL={} at {}", disk.label, disk.mount)));
    };
    if bound == text {
        return Ok(());
    }
    let mode = cx.sys.stat(path).map_err(file)?.mode;
    durable::replace(cx.sys, path, bound.as_bytes(), mode).map_err(file)
}

/// The UUID, as blkid prints it: hexadecimal digits and hyphens (blkid(8)).
fn uuid(cx: &Context<'_>, device: &str) -> Result<String, String> {
    let path = format!("/dev/{device}");
    let words = ["--cache-file", "/dev/null", "--match-tag", "UUID", "--output", "value", &path];
    let output = cx.sys.run(&Command::new("blkid", words)).map_err(|e| format!("running blkid: {e}"))?;
    let uuid = output.stdout.trim();
    if uuid.is_empty() || !uuid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return Err(format!("blkid names no UUID of {path}"));
    }
    Ok(uuid.to_owned())
}

/// The text with the UUID in the disk's line; none without such a line. The same again where it is there already.
fn bound(text: &str, disk: &DataDisk, uuid: &str) -> Option<String> {
    let new = format!("UUID={uuid}");
    let is_disks = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let device = fields.next().unwrap_or_default();
        let is_ours = device == new || device == format!("LABEL={}", disk.label);
        let at = fields.next().map(mounts::unescape);
        (is_ours && at.as_deref() == Some(disk.mount.as_str())).then(|| device.to_owned())
    };
    let mut found = false;
    let edited: String = text
        .split_inclusive('\n')
        .map(|line| match is_disks(line) {
            Some(device) => {
                found = true;
                line.replacen(&device, &new, 1)
            }
            None => line.to_owned(),
        })
        .collect();
    found.then_some(edited)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Format;

    #[test]
    fn only_the_line_of_the_disk_gets_the_uuid() {
        let disk = DataDisk {
            label: "media".parse().unwrap(),
            mount: "/srv/data".parse().unwrap(),
            datastore: false,
            required: true,
            format: Format::Never,
            wait_seconds: 1,
            dirs: Vec::new(),
        };
        let text = "# LABEL=media /srv/data\nLABEL=media /mnt ext4 defaults 0 2\n\
                    LABEL=media /srv/data ext4 defaults,nofail 0 2\nLABEL=x / ext4 defaults 0 1\n";
        let wanted = text.replace("LABEL=media /srv/data ext4", "UUID=0a-1 /srv/data ext4");
        assert_eq!(bound(text, &disk, "0a-1").unwrap(), wanted);
        assert_eq!(bound(&wanted, &disk, "0a-1").unwrap(), wanted);
        assert_eq!(bound("LABEL=other /srv/data ext4 defaults 0 2\n", &disk, "0a-1"), None);
        assert_eq!(bound("UUID=0b-2 /srv/data ext4 defaults 0 2\n", &disk, "0a-1"), None);
    }
}

//! Finds the only disk that may be formatted, and formats it.
//!
//! All marks of a used disk are in its first or last MiB: both partition tables, and the superblocks of every file
//! system, array, volume manager and swap that blkid knows. So a disk with only zeros there has no recoverable contents;
//! blkid is run as well.

use std::path::Path;
use std::time::Duration;

use crate::block::Disk;
use crate::context::Context;
use crate::mounts;
use crate::phase_error::PhaseError;
use crate::seed::DataDisk;
use crate::state::PhaseName;
use crate::sys::{Command, System};
use crate::systemd;

use super::raw_disks;

/// The size at both ends that must be zero.
const END: usize = 1024 * 1024;

/// USB disks appear late. Before this time after power-on no disk is formatted, because the one with the label may still
/// appear.
pub(super) const SETTLED: Duration = Duration::from_secs(30);

/// The time limit of mkfs, for a slow disk of several terabytes.
const FORMAT_LIMIT: Duration = Duration::from_secs(1200);

/// Formats the blank disk, or the disk whose formatting was interrupted.
pub(super) fn format(cx: &mut Context<'_>, wanted: &DataDisk) -> Result<(), PhaseError> {
    if cx.sys.uptime() < SETTLED {
        return Err(PhaseError::retry(
            format!(
                "no disk has the label {:?} yet; a blank disk is formatted only after all disks have appeared",
                wanted.label.as_str()
            ),
            "connect the data disk",
        ));
    }
    let (disk, description) = choose(cx, wanted)?;
    cx.state.formatting = Some(description.clone());
    let device = disk.path().display().to_string();
    let text = format!("formatting the blank disk {device} ({description}) as {:?}", wanted.label.as_str());
    // This also writes the state: after a power cut during formatting the disk is no longer blank.
    cx.note(PhaseName::DataDisk, &text).map_err(PhaseError::Abort)?;
    let output = systemd::run(cx.sys, &mkfs(wanted.label.as_str(), &device))?;
    if output.success {
        return Ok(());
    }
    let what = format!("formatting {device} ({description}): {}", systemd::last_line(&output.stderr));
    Err(PhaseError::retry(what, "replace the disk if this happens again"))
}

/// `-F`: a whole disk, without a prompt (mke2fs(8)).
fn mkfs(label: &str, device: &str) -> Command {
    let mut command = Command::new("mkfs.ext4", ["-q", "-F", "-L", label, device]);
    command.limit = FORMAT_LIMIT;
    command
}

/// The only disk to format, with its description; otherwise an error that lists the disks found.
fn choose(cx: &Context<'_>, wanted: &DataDisk) -> Result<(Disk, String), PhaseError> {
    let (mut blank, mut others) = (Vec::new(), Vec::new());
    let raw = raw_disks::names(cx);
    for disk in Disk::all(cx.sys) {
        if raw.contains(&disk.name) {
            others.push(format!("{} is for something else in the cluster", disk.name));
            continue;
        }
        let description = disk.description(cx.sys);
        let begun = cx.state.formatting.as_ref() == Some(&description);
        match in_use(cx, &disk).or_else(|| if begun { None } else { content(cx.sys, &disk) }) {
            None => blank.push((disk, description)),
            Some(why) => others.push(format!("{} ({description}): {why}", disk.name)),
        }
    }
    let what = match blank.as_slice() {
        [_] => return blank.pop().ok_or_else(|| PhaseError::retry("no blank disk found", "connect one")),
        [] if others.is_empty() => "no disk found".to_owned(),
        [] => format!(
            "no disk has the label {:?}, and none is blank: {}",
            wanted.label.as_str(),
            others.join("; ")
        ),
        several => {
            let names: Vec<String> =
                several.iter().map(|(disk, what)| format!("{} ({what})", disk.name)).collect();
            format!(
                "more than one disk is blank, and none has the label {:?}: {}",
                wanted.label.as_str(),
                names.join("; ")
            )
        }
    };
    let advice = format!(
        "connect exactly one blank disk; or label a file system: e2label /dev/<its partition> {}; or, if the contents \
        of a disk are not needed, make it blank: wipefs --all, and zeros in its first and last MiB",
        wanted.label.as_str()
    );
    Err(PhaseError::retry(what, advice))
}

/// Why the disk must not be formatted, regardless of its contents.
pub(super) fn in_use(cx: &Context<'_>, disk: &Disk) -> Option<String> {
    if !disk.partitions.is_empty() {
        let names: Vec<_> = disk.partitions.iter().map(|partition| partition.name.as_str()).collect();
        return Some(format!("it has partitions ({})", names.join(", ")));
    }
    if disk.is_read_only(cx.sys) {
        return Some("it is read-only".to_owned());
    }
    if disk.is_held(cx.sys) {
        return Some("it is part of another device".to_owned());
    }
    let number = crate::block::device_number(cx.sys, &disk.name)?;
    mounts::of(cx.sys, &number).map(|mount| format!("it is mounted at {}", mount.at.display()))
}

/// The contents of the disk; `None` if it is blank. An unreadable disk is not blank.
pub(super) fn content(sys: &dyn System, disk: &Disk) -> Option<String> {
    let path = disk.path();
    let last = disk.bytes().saturating_sub(u64::try_from(END).unwrap_or(u64::MAX));
    for (name, offset) in [("first", 0), ("last", last)] {
        match sys.read_at(&path, offset, END) {
            Err(e) => return Some(format!("cannot read its {name} MiB ({e})")),
            Ok(bytes) if bytes.is_empty() => return Some(format!("cannot read its {name} MiB")),
            Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => {}
            Ok(_) => {
                let found = signature(sys, &path).ok().flatten();
                return Some(found.unwrap_or_else(|| format!("its {name} MiB is not empty")));
            }
        }
    }
    match signature(sys, &path) {
        Ok(found) => found,
        Err(why) => Some(why),
    }
}

/// The result of blkid. It prints nothing if it finds nothing, and fails if the result is ambiguous (blkid(8),
/// `--probe`). On a base without blkid only the zeros are checked.
fn signature(sys: &dyn System, device: &Path) -> Result<Option<String>, String> {
    let shown = device.display().to_string();
    let command = Command::new("blkid", ["--probe", "--output", "export", &shown]);
    let output = match sys.run(&command) {
        Ok(output) => output,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("running {command}: {e}")),
    };
    let value = |key: &str| {
        let mut pairs = output.stdout.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    };
    match (value("TYPE").or_else(|| value("PTTYPE")), value("LABEL")) {
        (Some(kind), Some(label)) => Ok(Some(format!("it has {kind} with the label {label:?}"))),
        (Some(kind), None) => Ok(Some(format!("it has {kind}"))),
        (None, _) if output.stdout.trim().is_empty() && output.stderr.trim().is_empty() => Ok(None),
        (None, _) => Ok(Some("blkid finds a signature on it".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use std::process::Command as Process;

    use super::*;
    use crate::sys::RealSystem;

    const BYTES: u64 = 64 * 1024 * 1024;

    /// Runs `script` with the path of an image file of zeros as `$1`, and checks the file as a disk.
    fn content_after(script: &str) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        File::create(&path).unwrap().set_len(BYTES).unwrap();
        let mut command = Process::new("sh");
        command.args(["-ec", script, "sh"]).arg(&path).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::metadata(&path).unwrap().len(), BYTES, "{script} changed the size");
        let name = path.to_str().unwrap().to_owned();
        content(&RealSystem, &Disk { name, sectors: BYTES / 512, partitions: Vec::new() })
    }

    #[test]
    fn a_disk_of_zeros_is_blank() {
        assert_eq!(content_after("true"), None);
        assert_eq!(
            content_after(
                "mkfs.ext4 -q -F -L x \"$1\" && dd if=/dev/zero of=\"$1\" bs=1M count=64 conv=notrunc 2>&1"
            ),
            None
        );
    }

    #[test]
    fn a_disk_with_a_signature_or_data_is_not_blank() {
        let table = [
            ("mkfs.ext4 -q -F -L photos \"$1\"", "it has ext4 with the label \"photos\""),
            ("mkfs.vfat \"$1\"", "it has vfat"),
            ("mkswap -L s \"$1\"", "it has swap with the label \"s\""),
            ("echo ',,L' | sfdisk -q -X dos \"$1\"", "it has dos"),
            ("echo ',,L' | sfdisk -q -X gpt \"$1\"", "it has gpt"),
            // Only the backup GPT is left, after `dd` over the beginning; blkid does not look for it.
            (
                "echo ',,L' | sfdisk -q -X gpt \"$1\"; dd if=/dev/zero of=\"$1\" bs=1M count=2 conv=notrunc",
                "its last MiB is not empty",
            ),
            // A file system in a partition whose table was lost: blkid finds nothing in the first MiB.
            ("printf x | dd of=\"$1\" bs=1 seek=1048575 conv=notrunc", "its first MiB is not empty"),
            ("printf x | dd of=\"$1\" bs=1 seek=67108863 conv=notrunc", "its last MiB is not empty"),
        ];
        for (script, expected) in table {
            assert_eq!(content_after(script).as_deref(), Some(expected), "{script}");
        }
    }

    #[test]
    fn an_unreadable_disk_is_not_blank() {
        let disk = Disk { name: "/nowhere/disk".into(), sectors: 8192, partitions: Vec::new() };
        assert!(content(&RealSystem, &disk).unwrap().starts_with("cannot read its first MiB"));
    }

    /// Runs the command above on a file; e2label must find the label.
    #[test]
    fn a_formatted_disk_has_its_label() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        File::create(&path).unwrap().set_len(BYTES).unwrap();
        let shown = path.to_str().unwrap();
        let output = RealSystem.run(&mkfs("k8s-data", shown)).unwrap();
        assert!(output.success, "{}", output.stderr);
        let label = Process::new("/usr/sbin/e2label").arg(&path).output().unwrap();
        assert_eq!(label.stdout, b"k8s-data\n");
        assert!(Process::new("/usr/sbin/e2fsck").args(["-fn", shown]).output().unwrap().status.success());
        // A partly written file, as after a power cut, is no longer blank.
        File::options().write(true).open(&path).unwrap().write_all_at(&[0; 2048], 0).unwrap();
        let disk = Disk { name: shown.to_owned(), sectors: BYTES / 512, partitions: Vec::new() };
        assert!(content(&RealSystem, &disk).is_some());
    }
}

//! The disks of a run: overlays on the images, which are never written, and empty data disks.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hc_firstboot::seed::{DataDisk, Format};

use super::machine::{Disk, DiskFormat};
use super::process::found;
use super::vm::{VmError, io_error, not_started};

const QEMU_IMG: (&str, &str) = ("qemu-img", "qemu-utils");
const MKE2FS: (&str, &str) = ("mke2fs", "e2fsprogs");

/// Makes a disk of at least `size` bytes that has the contents of an image until it is written to. The file takes only what is
/// written.
pub(super) fn overlay(image: &Path, size: u64, file: PathBuf) -> Result<Disk, VmError> {
    let image = std::path::absolute(image).map_err(io_error("looking for the image"))?;
    let own = image.metadata().map_err(io_error("looking at the image"))?.len();
    let mut command = Command::new(QEMU_IMG.0);
    // The format is said: QEMU would else ask the guest's bytes what they are.
    command.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(&image).arg(&file);
    command.arg(size.max(own).next_multiple_of(512).to_string());
    run(command, QEMU_IMG)?;
    Ok(Disk { path: file, format: DiskFormat::Overlay })
}

/// Makes the data disk that a node was built for: blank where firstboot may format it, else a file system with its label.
pub(super) fn data_disk(wanted: &DataDisk, size: u64, path: PathBuf) -> Result<Disk, VmError> {
    let disk = blank(size, path.clone())?;
    if wanted.format == Format::Never {
        let mut command = Command::new(found(MKE2FS.0).unwrap_or_else(|| MKE2FS.0.into()));
        command.args(["-q", "-F", "-t", "ext4", "-L", wanted.label.as_str()]).arg(&path);
        run(command, MKE2FS)?;
    }
    Ok(disk)
}

/// Makes a disk without anything on it.
pub(super) fn blank(size: u64, path: PathBuf) -> Result<Disk, VmError> {
    let file = File::options().write(true).create_new(true).open(&path);
    file.and_then(|file| file.set_len(size)).map_err(io_error("making a disk"))?;
    Ok(Disk { path, format: DiskFormat::Raw })
}

fn run(mut command: Command, program: (&'static str, &'static str)) -> Result<(), VmError> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| not_started(program, source))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    let said = last.into_iter().rev().collect::<Vec<_>>().join("\n");
    Err(VmError::Program { program: program.0, said })
}

/// The name of a node's file with this ending.
pub(super) fn named(dir: &Path, node: &str, ending: &str) -> PathBuf {
    let mut name = OsStr::new(node).to_owned();
    name.push(ending);
    dir.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_leaves_its_image_alone_and_a_failure_says_why() {
        if Command::new(QEMU_IMG.0).arg("--version").output().is_err() {
            eprintln!("SKIPPED: qemu-img is not installed");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("a,b.img");
        std::fs::write(&image, [7; 4096]).unwrap();
        let disk = overlay(&image, 1 << 20, named(dir.path(), "hc-1", ".qcow2")).unwrap();
        let mut info = Command::new(QEMU_IMG.0);
        let info = info.args(["info", "--output=json"]).arg(&disk.path).output().unwrap();
        let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
        assert_eq!(
            (&info["virtual-size"], &info["backing-filename-format"]),
            (&(1 << 20).into(), &"raw".into())
        );
        assert_eq!(std::fs::read(&image).unwrap(), [7; 4096]);
        let failed = overlay(&image, 1 << 20, dir.path().join("missing/x.qcow2")).unwrap_err().to_string();
        assert!(failed.contains("qemu-img failed") && failed.contains("missing/x.qcow2"), "{failed}");
    }

    #[test]
    fn a_data_disk_has_the_label_or_is_blank() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = |format: &str| -> DataDisk {
            let text = "label = \"k8s-data\"\nmount = \"/k8s-data\"\nrequired = true\nwait_seconds = 1\n";
            toml::from_str(&format!("{text}format = {format:?}\n")).unwrap()
        };
        let blank = data_disk(&wanted("if-blank"), 8 << 20, dir.path().join("blank")).unwrap();
        assert!(std::fs::read(blank.path).unwrap().iter().all(|byte| *byte == 0));
        let made = data_disk(&wanted("never"), 8 << 20, dir.path().join("made")).unwrap();
        let label = crate::external_tools::program("blkid")
            .args(["-p", "-o", "value", "-s", "LABEL"])
            .arg(made.path)
            .output();
        assert_eq!(String::from_utf8(label.unwrap().stdout).unwrap().trim(), "k8s-data");
        assert!(
            data_disk(&wanted("never"), 8 << 20, dir.path().join("made")).is_err(),
            "it is there already"
        );
    }
}

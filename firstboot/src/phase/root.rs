//! Grows the root file system to the size of its disk, unless the base's own mechanism has done so.

use std::path::Path;
use std::time::Duration;

use super::Phase;
use crate::block::{self, Disk, Partition, SECTOR, size};
use crate::context::Context;
use crate::mounts;
use crate::phase_error::{Failure, PhaseError};
use crate::state::PhaseName;
use crate::sys::Command;
use crate::systemd;

/// Less space than this after a partition is alignment, the backup GPT, or too little to matter: 64 MiB in sectors.
const WORTH: u64 = 131_072;

/// Grows partition $2 of disk $1 to the end of the disk. The disk is in use, so sfdisk must not make the kernel read the
/// table again; partx then updates this partition in the kernel (sfdisk(8), partx(8)). Both are on every Debian: their
/// packages have the priority important.
const GROW: &str =
    "echo ', +' | sfdisk --no-reread --no-tell-kernel -N \"$2\" \"$1\" && partx --update --nr \"$2\" \"$1\"";

const ADVICE: &str = "grow it manually: `sudo growpart` or `sudo parted` for the partition, then `sudo resize2fs` for the file system";

pub(super) struct Root;

impl Phase for Root {
    fn name(&self) -> PhaseName {
        PhaseName::Root
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        cx.seed.root.grow
    }

    /// The base's own mechanism may be running.
    fn limit(&self, _cx: &Context<'_>) -> Duration {
        Duration::from_secs(60)
    }

    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(cx.state.is_done(PhaseName::Root))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        let place = Place::find(cx)?;
        if place.room() >= WORTH && place.behind().is_none() {
            grow_partition(cx, &place)?;
        }
        grow_file_system(cx, &place)
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        let place = Place::find(cx)?;
        let bytes = size(place.partition.sectors.saturating_mul(SECTOR));
        if let Some(behind) = place.behind() {
            return Ok(vec![format!("{bytes}; not grown: {} follows it", behind.name)]);
        }
        if place.room() >= WORTH {
            let free = size(place.room().saturating_mul(SECTOR));
            let what = format!("{free} after the root partition {} are still unused", place.partition.name);
            return Err(PhaseError::retry(what, ADVICE));
        }
        Ok(vec![format!("{bytes}, the whole disk")])
    }

    /// A small root may be large enough: the disk space phase checks it.
    fn on_timeout(&self, _cx: &mut Context<'_>, last: PhaseError) -> Result<Vec<String>, Failure> {
        Ok(vec![format!("not grown: {}", last.into_failure())])
    }
}

/// The position of the root.
struct Place {
    disk: Disk,
    partition: Partition,
    fstype: String,
}

impl Place {
    fn find(cx: &Context<'_>) -> Result<Self, PhaseError> {
        let found = || {
            let mount = mounts::at(cx.sys, Path::new("/"))?;
            let disk = Disk::read(cx.sys, &block::disk_of(cx.sys, &mount.device)?)?;
            let name = block::name_of(cx.sys, &mount.device)?;
            let partition = disk.partitions.iter().find(|partition| partition.name == name)?.clone();
            Some(Self { partition, disk, fstype: mount.fstype })
        };
        found().ok_or_else(|| {
            PhaseError::abort(
                "the root file system is not on a partition of a disk",
                "grow it with its own tools",
            )
        })
    }

    /// The first partition after it.
    fn behind(&self) -> Option<&Partition> {
        self.disk.partitions.iter().find(|other| other.start > self.partition.start)
    }

    /// The sectors between its end and the end of the disk.
    fn room(&self) -> u64 {
        self.disk.sectors.saturating_sub(self.partition.end())
    }
}

fn grow_partition(cx: &mut Context<'_>, place: &Place) -> Result<(), PhaseError> {
    let (disk, number) = (place.disk.path().display().to_string(), place.partition.number.to_string());
    cx.progress(PhaseName::Root, &format!("growing {} to the end of {disk}", place.partition.name))
        .map_err(PhaseError::Abort)?;
    let command = Command::new("sh", ["-c", GROW, "sh", &disk, &number]);
    let output = systemd::run(cx.sys, &command)?;
    if output.success {
        return Ok(());
    }
    let said = systemd::last_line(&output.stderr);
    Err(PhaseError::retry(format!("growing the partition {}: {said}", place.partition.name), ADVICE))
}

/// Works online; it succeeds if there is nothing to do (resize2fs(8)).
fn grow_file_system(cx: &Context<'_>, place: &Place) -> Result<(), PhaseError> {
    if place.fstype != "ext4" {
        let what = format!("cannot grow a root file system of type {}", place.fstype);
        return Err(PhaseError::abort(what, "grow it with its own tools"));
    }
    let device = Path::new("/dev").join(&place.partition.name).display().to_string();
    let mut command = Command::new("resize2fs", [device.as_str()]);
    command.limit = Duration::from_secs(600);
    let output = systemd::run(cx.sys, &command)?;
    if output.success {
        return Ok(());
    }
    let what = format!("growing the file system on {device}: {}", systemd::last_line(&output.stderr));
    Err(PhaseError::retry(what, ADVICE))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command as Process;

    use super::GROW;

    const MIB: u64 = 1024 * 1024;

    /// The MBR beside the GPT of Debian's image for the Raspberry Pi.
    const HYBRID: &str = "label: dos\n1: start=2048, size=20480, type=c\n3: start=1, size=2047, type=ee\n4: start=22528, type=ee\n";

    fn sh(script: &str, path: &str, args: &[&str]) -> String {
        let output =
            Process::new("sh").args(["-c", script, "sh"]).args(args).env("PATH", path).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the script on an image on a larger card and checks the dump of sfdisk. Only partx is replaced: a file has no
    /// partitions in the kernel.
    #[test]
    fn the_root_partition_grows_to_the_end_and_the_others_stay() {
        for (label, nested) in [("dos", ""), ("gpt", ""), ("gpt", HYBRID)] {
            let dir = tempfile::tempdir().unwrap();
            let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", dir.path().display());
            let partx = dir.path().join("partx");
            fs::write(&partx, "#!/bin/sh\necho \"$@\" > \"$(dirname \"$0\")/told\"\n").unwrap();
            fs::set_permissions(&partx, fs::Permissions::from_mode(0o755)).unwrap();
            let image = dir.path().join("card");
            let card = fs::File::create(&image).unwrap();
            card.set_len(64 * MIB).unwrap();
            let shown = image.to_str().unwrap();
            sh("printf '2048,20480\\n22528,+\\n' | sfdisk -q -X \"$1\" \"$2\"", &path, &[label, shown]);
            if !nested.is_empty() {
                sh("printf \"$1\" | sfdisk -q --label-nested dos \"$2\"", &path, &[nested, shown]);
            }
            let shown_to_firmware = || {
                let dump = sh("sfdisk --label-nested dos --dump \"$1\"", &path, &[shown]);
                dump.lines().filter(|line| line.contains("type=c")).map(str::to_owned).collect::<Vec<_>>()
            };
            let firmware = shown_to_firmware();
            card.set_len(256 * MIB).unwrap();
            for _again in 0..2 {
                sh(GROW, &path, &[shown, "2"]);
                let dump = sh("sfdisk --dump \"$1\"", &path, &[shown]);
                let dump: String = dump.chars().filter(|c| *c != ' ').collect();
                assert!(dump.contains("card1:start=2048,size=20480,"), "{dump}");
                let size =
                    dump.split("card2:start=22528,size=").nth(1).and_then(|rest| rest.split(',').next());
                let left = 256 * MIB / 512 - 22528 - size.unwrap().parse::<u64>().unwrap();
                assert!(left < super::WORTH, "{left} sectors are left: {dump}");
            }
            assert_eq!(shown_to_firmware(), firmware);
            assert_eq!(firmware.len(), usize::from(!nested.is_empty()));
            let told = fs::read_to_string(dir.path().join("told")).unwrap();
            assert_eq!(told, format!("--update --nr 2 {shown}\n"));
        }
    }
}

//! The root file system fills its disk: looked at, and done where the base's own mechanism did not.

use std::path::Path;
use std::time::Duration;

use super::Phase;
use crate::block::{self, Disk, Partition, SECTOR, size};
use crate::context::Context;
use crate::mounts;
use crate::state::PhaseName;
use crate::sys::Command;
use crate::systemd;
use crate::trouble::{Failure, Trouble};

/// Less room than this behind a partition is alignment, the second GPT, or not worth a change: 64 MiB in sectors.
const WORTH: u64 = 131_072;

/// Partitioning tools, and how each makes partition $2 of disk $1 as large as it can be. The disk is in use, so
/// `sfdisk` must not ask the kernel to read it again; `partx` then tells the kernel of this one partition.
/// sfdisk(8), growpart(1), parted(8).
const TOOLS: [(&str, &str); 3] = [
    (
        "sfdisk",
        "echo ', +' | sfdisk --no-reread --no-tell-kernel -N \"$2\" \"$1\" && partx --update --nr \"$2\" \"$1\"",
    ),
    ("growpart", "growpart \"$1\" \"$2\""),
    ("parted", "parted --script --fix \"$1\" resizepart \"$2\" 100%"),
];

const ADVICE: &str = "grow it by hand: `sudo growpart` or `sudo parted` for the partition, then `sudo resize2fs` for the file system";

pub(super) struct Root;

impl Phase for Root {
    fn name(&self) -> PhaseName {
        PhaseName::Root
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        cx.seed.root.grow
    }

    /// The base's own mechanism may be at it at this moment.
    fn limit(&self, _cx: &Context<'_>) -> Duration {
        Duration::from_secs(60)
    }

    fn is_true(&self, cx: &Context<'_>) -> Result<bool, Trouble> {
        Ok(cx.state.is_done(PhaseName::Root))
    }

    fn act(&self, cx: &mut Context<'_>) -> Result<(), Trouble> {
        let place = Place::find(cx)?;
        if place.room() >= WORTH && place.behind().is_none() {
            grow_partition(cx, &place)?;
        }
        grow_file_system(cx, &place)
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, Trouble> {
        let place = Place::find(cx)?;
        let bytes = size(place.partition.sectors.saturating_mul(SECTOR));
        if let Some(behind) = place.behind() {
            return Ok(vec![format!("{bytes}; not grown: {} lies behind it", behind.name)]);
        }
        if place.room() >= WORTH {
            let free = size(place.room().saturating_mul(SECTOR));
            let what = format!("{free} behind the root partition {} are still unused", place.partition.name);
            return Err(Trouble::passing(what, ADVICE));
        }
        Ok(vec![format!("{bytes}, all of its disk")])
    }

    /// A small root may be large enough: whether it is, the phase room finds out.
    fn give_up(&self, _cx: &mut Context<'_>, last: Trouble) -> Result<Vec<String>, Failure> {
        Ok(vec![format!("not grown: {}", last.into_failure())])
    }
}

/// Where the root is.
struct Place {
    disk: Disk,
    partition: Partition,
    fstype: String,
}

impl Place {
    fn find(cx: &Context<'_>) -> Result<Self, Trouble> {
        let found = || {
            let mount = mounts::at(cx.sys, Path::new("/"))?;
            let disk = Disk::read(cx.sys, &block::disk_of(cx.sys, &mount.device)?)?;
            let name = block::name_of(cx.sys, &mount.device)?;
            let partition = disk.partitions.iter().find(|partition| partition.name == name)?.clone();
            Some(Self { partition, disk, fstype: mount.fstype })
        };
        found().ok_or_else(|| {
            Trouble::lasting(
                "the root file system is not on a partition of a disk",
                "grow it by its own tools",
            )
        })
    }

    /// The first partition behind it.
    fn behind(&self) -> Option<&Partition> {
        self.disk.partitions.iter().find(|other| other.start > self.partition.start)
    }

    /// Sectors between its end and that of the disk.
    fn room(&self) -> u64 {
        self.disk.sectors.saturating_sub(self.partition.end())
    }
}

fn grow_partition(cx: &mut Context<'_>, place: &Place) -> Result<(), Trouble> {
    let (disk, number) = (place.disk.path().display().to_string(), place.partition.number.to_string());
    cx.progress(PhaseName::Root, &format!("growing {} to the end of {disk}", place.partition.name))
        .map_err(Trouble::Lasting)?;
    let there = |tool: &str| {
        let command = Command::new("sh", ["-c", "command -v \"$0\"", tool]);
        systemd::run(cx.sys, &command).is_ok_and(|output| output.success)
    };
    let Some((tool, script)) = TOOLS.iter().find(|(tool, _)| there(tool)) else {
        let names = TOOLS.map(|(tool, _)| tool).join(", ");
        return Err(Trouble::lasting(
            format!("no program that grows a partition is there ({names})"),
            ADVICE,
        ));
    };
    let command = Command::new("sh", ["-c", script, tool, &disk, &number]);
    let output = systemd::run(cx.sys, &command)?;
    if output.success {
        return Ok(());
    }
    let what = format!(
        "growing the partition {} with {tool}: {}",
        place.partition.name,
        systemd::last_line(&output.stderr)
    );
    Err(Trouble::passing(what, ADVICE))
}

/// Online; says that there is nothing to do where there is nothing (resize2fs(8)).
fn grow_file_system(cx: &Context<'_>, place: &Place) -> Result<(), Trouble> {
    if place.fstype != "ext4" {
        let what = format!("the root is {}, which is not grown from here", place.fstype);
        return Err(Trouble::lasting(what, "grow it by its own tools"));
    }
    let device = Path::new("/dev").join(&place.partition.name).display().to_string();
    let mut command = Command::new("resize2fs", [device.as_str()]);
    command.limit = Duration::from_secs(600);
    let output = systemd::run(cx.sys, &command)?;
    if output.success {
        return Ok(());
    }
    let what = format!("growing the file system on {device}: {}", systemd::last_line(&output.stderr));
    Err(Trouble::passing(what, ADVICE))
}

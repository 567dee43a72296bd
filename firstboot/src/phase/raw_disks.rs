//! The disks that something in the cluster takes whole, such as Ceph, are there, and nothing of anybody's is on them.
//!
//! Nothing is written here: who takes a disk makes of it what it needs, once k3s runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Phase, blank};
use crate::block::Disk;
use crate::context::Context;
use crate::phase_error::PhaseError;
use crate::state::PhaseName;
use crate::sys::{Command, System};

/// A disk on USB may need that long after power-on to show itself, and a few seconds more.
const WAIT: Duration = Duration::from_secs(120);
const LEAST: Duration = Duration::from_secs(5);

/// What Ceph writes at the beginning of a disk of its own (BlueStore's label).
const CEPH: &[u8] = b"bluestore block device";

pub(super) struct RawDisks;

impl Phase for RawDisks {
    fn name(&self) -> PhaseName {
        PhaseName::RawDisks
    }

    fn applies(&self, cx: &Context<'_>) -> bool {
        !cx.seed.raw_disks.is_empty()
    }

    fn limit(&self, cx: &Context<'_>) -> Duration {
        WAIT.saturating_sub(cx.sys.uptime()).max(LEAST)
    }

    /// Once k3s has been started, whoever takes them may be at work.
    fn is_done(&self, cx: &Context<'_>) -> Result<bool, PhaseError> {
        Ok(cx.state.committed || cx.state.is_done(PhaseName::RawDisks))
    }

    fn apply(&self, cx: &mut Context<'_>) -> Result<(), PhaseError> {
        // udev may still be processing them. If this fails, a link is missing.
        let _ = cx.sys.run(&Command::new("udevadm", ["settle", "--timeout=10"]));
        Ok(())
    }

    fn verify(&self, cx: &Context<'_>) -> Result<Vec<String>, PhaseError> {
        if cx.state.committed {
            return Ok(Vec::new());
        }
        cx.seed.raw_disks.iter().map(|path| usable(cx, path)).collect()
    }
}

/// What is at a path: a blank disk, or one of Ceph's. Anything else is left alone and told.
fn usable(cx: &Context<'_>, path: &Path) -> Result<String, PhaseError> {
    let shown = path.display();
    let Some(disk) = at(cx.sys, path) else {
        let found: Vec<String> = Disk::all(cx.sys)
            .iter()
            .map(|disk| format!("{} ({})", disk.name, disk.description(cx.sys)))
            .collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        return Err(PhaseError::retry(
            format!("no disk at {shown} (disks: {found})"),
            "connect it, or name the right one in the cluster file and flash the card again",
        ));
    };
    let description = disk.description(cx.sys);
    let is_ceph = || cx.sys.read_at(&disk.path(), 0, CEPH.len()).is_ok_and(|bytes| bytes == CEPH);
    // One that is in use is not even read.
    let (why, what) = match blank::in_use(cx, &disk) {
        Some(why) => (Some(why), ""),
        None if is_ceph() => (None, "Ceph's"),
        None => (blank::content(cx.sys, &disk), "blank"),
    };
    if let Some(why) = why {
        return Err(PhaseError::retry(
            format!("the disk at {shown} ({description}) is not blank: {why}"),
            "name another disk in the cluster file and flash the card again; or, if its contents are not needed, make it \
             blank: wipefs --all, and zeros in its first and last MiB",
        ));
    }
    Ok(format!("{shown}: {what} ({description})"))
}

/// The disk or partition that a path leads to.
fn at(sys: &dyn System, path: &Path) -> Option<Disk> {
    let target = sys.read_link(path).unwrap_or_else(|_| path.to_owned());
    Disk::read(sys, target.file_name()?.to_str()?)
}

/// The kernel's names of all raw disks that are there.
pub(super) fn names(cx: &Context<'_>) -> Vec<String> {
    cx.seed.raw_disks.iter().filter_map(|path: &PathBuf| Some(at(cx.sys, path)?.name)).collect()
}

//! The data disk: mounted by label, wherever it is plugged in.

use crate::edit::fstab::{self, LabelMount};

use super::draft::{Draft, at};
use super::error::PlanError;
use super::request::Request;

pub(super) fn edits(draft: &mut Draft, request: &Request) -> Result<(), PlanError> {
    let disk = &request.data_disk;
    // nofail: a node that boots without its disk can still be asked what is wrong.
    let wanted =
        LabelMount { label: &disk.label, mount: &disk.mount, fstype: "ext4", options: "defaults,nofail" };
    draft.change(&at(fstab::PATH), "data disk by label, no swap", |text| {
        fstab::ensure_mount_by_label(&fstab::remove_swap(text), wanted)
    })?;
    draft.folder(disk.mount.as_str(), 0o755, "mount point of the data disk");
    Ok(())
}

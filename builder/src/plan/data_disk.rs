//! The data disk: mounted by label, wherever it is plugged in.

use crate::formats::fstab::{self, LabelMount};
use crate::os::Interest;

use super::builder::{PlanBuilder, at};
use super::disk_id;
use super::error::PlanError;
use super::flash_wear;
use super::request::Request;

pub(super) const READS: [Interest; 1] = [Interest::Path(fstab::PATH)];

/// A path in a list of paths of a unit: quoted, since a blank would end it, and with systemd's own signs escaped.
fn unit_path(path: &str) -> String {
    let escaped = path.replace('\\', r"\\").replace('"', r#"\""#).replace('%', "%%");
    format!("\"{escaped}\"")
}

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let id = disk_id::change(builder.facts, request)?;
    let cleaned = |text: &str| flash_wear::mounts(&fstab::remove_swap(&disk_id::renamed(text, id)), request);
    let Some(disk) = &request.node.data_disk else {
        return builder
            .change(&at(fstab::PATH), "no swap, no access times on a card", |text| Ok(cleaned(text)));
    };
    // nofail: a node that boots without its disk can still be asked what is wrong.
    let (label, mount) = (&disk.label, &disk.mount);
    // nosuid, nodev: a disk that a stranger has prepared brings no way to become root. Containers are not touched by it: they
    // run from overlay mounts, whose own options count.
    let options = "defaults,noatime,nosuid,nodev,nofail";
    let wanted = LabelMount { label, mount, fstype: "ext4", options };
    builder.change(&at(fstab::PATH), "data disk by label, no swap, no access times on a card", |text| {
        fstab::ensure_mount_by_label(&cleaned(text), wanted)
    })?;
    builder.dir(disk.mount.as_str(), 0o755, "mount point of the data disk");
    if disk.required {
        // At every start, not only on the first boot: else pods would write onto the card instead.
        let text = format!("[Unit]\nRequiresMountsFor={}\n", unit_path(disk.mount.as_str()));
        let path =
            format!("/etc/systemd/system/{}.d/20-data-disk.conf", request.node.bootstrap_role.role().unit());
        builder.text(&path, 0o644, text, "k3s starts only with its data disk");
    }
    Ok(())
}

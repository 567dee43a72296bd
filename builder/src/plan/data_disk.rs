//! The data disk: mounted by label, wherever it is plugged in.

use hc_common::paths::{DATASTORE_FOLDER, K3S_DATASTORE_DIR};

use crate::cluster::DataDisk;
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
    let datastore = datastore(disk);
    builder.change(&at(fstab::PATH), "data disk by label, no swap, no access times on a card", |text| {
        let text = fstab::ensure_mount_by_label(&cleaned(text), wanted)?;
        match datastore {
            Some(at) => fstab::ensure_bind(&text, &format!("{mount}/{DATASTORE_FOLDER}"), at),
            None => Ok(text),
        }
    })?;
    builder.dir(mount.as_str(), 0o755, "mount point of the data disk");
    if let Some(at) = datastore {
        builder.dir(at, 0o700, "mount point of the datastore, which is on the data disk");
    }
    if disk.required {
        // At every start, not only on the first boot: else k3s and its pods would write onto the card instead.
        let points: Vec<String> = mount_points(disk).map(unit_path).collect();
        let text = format!("[Unit]\nRequiresMountsFor={}\n", points.join(" "));
        let path =
            format!("/etc/systemd/system/{}.d/20-data-disk.conf", request.node.bootstrap_role.role().unit());
        builder.text(&path, 0o644, text, "k3s starts only with its data disk");
    }
    Ok(())
}

/// Where it is mounted, and its directory with the datastore, if it has one.
pub(super) fn mount_points(disk: &DataDisk) -> impl Iterator<Item = &str> {
    [Some(disk.mount.as_str()), datastore(disk)].into_iter().flatten()
}

fn datastore(disk: &DataDisk) -> Option<&'static str> {
    disk.datastore.then_some(K3S_DATASTORE_DIR)
}

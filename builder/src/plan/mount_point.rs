//! The data disk hides nothing that the node needs: no file of the plan, and none that the base brings for a login.
//!
//! Derived from the plan itself, so a feature that writes somewhere new is guarded from its first day. Paths are compared
//! where they lead through the image's own links, such as `/var/run`.

use hc_common::value::MountPoint;
use hc_firstboot::state::{FINISHED_PATH, STATE_PATH};

use crate::cluster::DataDisk;
use crate::formats::mount_unit;
use crate::fs::ImagePath;
use crate::os::{Facts, FileState, Interest};

use super::builder::at;
use super::contribution::Named;
use super::data_disk;
use super::edit::Action;
use super::error::PlanError;
use super::request::Request;

/// Where a base, or its owner, may have links that lead elsewhere.
const LINKS: [&str; 9] = ["/", "/home", "/media", "/mnt", "/opt", "/srv", "/usr", "/var", "/var/lib"];

pub(super) fn reads() -> impl Iterator<Item = Interest> {
    LINKS.into_iter().map(Interest::Links)
}

/// The feature that makes the mount point.
const OWN: &str = "data disk";

pub(super) fn check(facts: &Facts, request: &Request<'_>, all: &[Named]) -> Result<(), PlanError> {
    let Some(disk) = &request.node.data_disk else { return Ok(()) };
    for dir in LINKS {
        facts.files.require_links(&at(dir))?;
    }
    let mount = facts.files.resolve(&at(disk.mount.as_str()));
    if mount.as_str().parse::<MountPoint>().is_err() {
        let problem = format!("its mount point {} leads to {mount}, a part of the system", disk.mount);
        return Err(refused(problem));
    }
    let hides = |path: &ImagePath| {
        let real = facts.files.resolve(path);
        real == mount || real.below(&mount).is_some()
    };
    for (name, contribution) in all {
        let written =
            contribution.edits.iter().filter(|edit| *name != OWN && !matches!(edit.action, Action::Remove));
        if let Some(edit) = written.clone().find(|edit| hides(&edit.path)) {
            return Err(hidden(disk, &format!("{} ({name}: {})", edit.path, edit.reason)));
        }
    }
    for point in data_disk::mount_points(disk) {
        let unit = at(mount_unit::DIR).join(&mount_unit::name(point));
        if let Some(unit) = unit.ok().filter(|unit| is_of_base(facts, unit)) {
            let problem = format!("the base has a unit of its own for {point}, which wins: {unit}");
            return Err(PlanError::DataDisk { problem, hint: MOUNT_UNIT_HINT.to_owned() });
        }
    }
    let of_firstboot = [STATE_PATH, FINISHED_PATH].map(at);
    if let Some(path) = of_firstboot.iter().find(|path| hides(path)) {
        return Err(hidden(disk, &format!("{path} (first boot: what it has done)")));
    }
    if let Some(path) = keys(facts).find(|path| hides(path)) {
        return Err(hidden(disk, &format!("{path} (the base image: SSH keys of an account)")));
    }
    label(facts, disk)
}

const MOUNT_UNIT_HINT: &str = "remove the unit from the base, or mount the data disk elsewhere";

fn is_of_base(facts: &Facts, path: &ImagePath) -> bool {
    facts.files.get(path).is_ok_and(|state| *state != FileState::Absent)
}

/// The SSH keys that the base itself brings.
fn keys(facts: &Facts) -> impl Iterator<Item = &ImagePath> {
    facts
        .files
        .all()
        .filter(|(path, state)| {
            path.as_str().ends_with("/.ssh/authorized_keys")
                && matches!(state, FileState::Text(text, _) if !text.trim().is_empty())
        })
        .map(|(path, _)| path)
}

/// A label of the image's own would mount a part of the image as the data disk.
fn label(facts: &Facts, disk: &DataDisk) -> Result<(), PlanError> {
    let own =
        facts.partitions.iter().find(|partition| partition.label.as_deref() == Some(disk.label.as_str()));
    own.map_or(Ok(()), |partition| {
        let problem = format!("its label {} is that of {partition} of the image", disk.label);
        Err(PlanError::DataDisk { problem, hint: "give the disk another label, such as k8s-data".to_owned() })
    })
}

fn hidden(disk: &DataDisk, what: &str) -> PlanError {
    refused(format!("mounted at {} it would hide {what}", disk.mount))
}

fn refused(problem: String) -> PlanError {
    PlanError::DataDisk {
        problem,
        hint: "use another mount point, such as /k8s-data or /srv/data".to_owned(),
    }
}

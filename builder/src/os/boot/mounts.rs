//! The lines of fstab that mount what the image boots from.

use crate::formats::fstab;

use super::super::image::{PartitionRole, fixed};
use super::super::layout::KERNELS;
use super::{BootStep, Chain};

impl Chain<'_> {
    pub(super) fn mounts(&self) -> Vec<BootStep> {
        let mut steps = Vec::new();
        for mount in fstab::mounts(self.text(&fixed(fstab::PATH))) {
            let is_kernels = mount.point == KERNELS && self.partition(PartitionRole::Kernels).is_some();
            let (what, role) = match mount.point.as_str() {
                _ if mount.fstype == "swap" => continue,
                "/" => ("fstab /", PartitionRole::Root),
                point if point == self.facts.boot_dir.as_str() => ("fstab boot", PartitionRole::Boot),
                _ if is_kernels => ("fstab /boot", PartitionRole::Kernels),
                _ => continue,
            };
            let leads = self.device(&mount.device, role);
            let place = format!("{}, line {}", fstab::PATH, mount.line);
            steps.push(BootStep { what, place, says: format!("{} at {}", mount.device, mount.point), leads });
        }
        steps
    }
}

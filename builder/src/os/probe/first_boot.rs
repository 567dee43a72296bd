//! What the system does on its first boot.

use crate::formats::accounts::shadow;
use crate::formats::{fstab, init_program};

use super::super::error::OsError;
use super::super::facts::Bootloader;
use super::super::first_boot::{CloudInit, MachineId, RootGrowth, UserSetup};
use super::super::image::fixed;
use super::super::snapshot::Snapshot;
use super::{Probe, root};

impl Probe<'_> {
    pub(super) fn user_setup(
        &self,
        files: &mut Snapshot,
        machine_id: MachineId,
        cloud_init: Option<&CloudInit>,
    ) -> Result<Vec<UserSetup>, OsError> {
        let mut found = Vec::new();
        if self.is_link("/etc/systemd/system/multi-user.target.wants/userconfig.service")? {
            found.push(UserSetup::Userconf);
        }
        if cloud_init.is_some_and(|cloud| !cloud.disabled) {
            found.push(UserSetup::CloudInit);
        }
        let shadow = files.take_text(self.tree, &fixed(shadow::PATH)).map_err(root)?.unwrap_or_default();
        if machine_id.makes_a_first_boot() && shadow::root_is_unprovisioned(shadow) {
            found.push(UserSetup::SystemdFirstboot);
        }
        Ok(found)
    }

    pub(super) fn root_growth(
        &self,
        bootloader: &Bootloader,
        files: &mut Snapshot,
        cloud_init: Option<&CloudInit>,
    ) -> Result<Vec<RootGrowth>, OsError> {
        let mut found = Vec::new();
        if let Bootloader::PiFirmware { cmdline, .. } = bootloader {
            let arguments = files.take_text(self.tree, cmdline).map_err(root)?.unwrap_or_default();
            for word in arguments.split_whitespace() {
                found.extend(growth_word(word));
            }
        }
        if cloud_init.is_some_and(|cloud| !cloud.disabled) && self.exists("/usr/bin/growpart")? {
            found.push(RootGrowth::CloudInit);
        }
        let fstab = files.take_text(self.tree, &fixed(fstab::PATH)).map_err(root)?.unwrap_or_default();
        let mounts = fstab::mounts(fstab);
        let grown = |mount: &fstab::Mount| mount.options.iter().any(|option| option == "x-systemd.growfs");
        if mounts.iter().any(|mount| mount.point == "/" && grown(mount)) {
            found.push(RootGrowth::Growfs);
        }
        if self.exists("/etc/systemd/system/rpi-resizerootfs.service")? {
            found.push(RootGrowth::ResizeService);
        }
        Ok(found)
    }

    pub(super) fn machine_id(&self) -> Result<MachineId, OsError> {
        Ok(MachineId::of(self.text("/etc/machine-id", 4096)?.as_deref()))
    }
}

fn growth_word(word: &str) -> Option<RootGrowth> {
    match word {
        "resize" => Some(RootGrowth::ResizeWord),
        word if init_program::is_publishers(word) => Some(RootGrowth::InitProgram),
        _ => None,
    }
}

//! The base's own first-boot mechanisms, which edits must not break.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fs::ImagePath;

/// cloud-init and its data sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudInit {
    /// Whether the image disables it.
    pub disabled: bool,
    /// The data sources, in order; empty if it detects them itself.
    pub datasources: Vec<String>,
    /// The additional place of its NoCloud source: `fs_label: system-boot` or `seedfrom: …`.
    pub seed: Option<String>,
    /// What user data of the image's owner does that may hinder the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<UserDataEffect>,
}

/// What user data of the image's owner does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDataEffect {
    /// The file.
    pub file: ImagePath,
    /// The key at its top level; empty for a program.
    pub key: String,
    /// What it does.
    pub does: String,
}

impl fmt::Display for UserDataEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, key, does } = self;
        match key.as_str() {
            "" => write!(f, "{file} {does}"),
            key => write!(f, "{key} in {file} {does}"),
        }
    }
}

/// The mechanism for the first account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserSetup {
    /// Raspberry Pi OS's `userconf-pi`: `userconf.txt` on the FAT partition, otherwise a dialog on the console.
    Userconf,
    /// cloud-init's `users`.
    CloudInit,
    /// systemd's prompt for root's password on the console, before other units start: Debian's Raspberry Pi image since
    /// trixie.
    SystemdFirstboot,
}

/// The mechanism that grows the root to the size of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootGrowth {
    /// A program that replaces init once: Raspberry Pi OS bullseye and bookworm.
    InitProgram,
    /// The kernel argument `resize`: Raspberry Pi OS trixie.
    ResizeWord,
    /// cloud-init with growpart, for the partition and the file system.
    CloudInit,
    /// The mount option `x-systemd.growfs`, for the file system only.
    Growfs,
    /// `rpi-resizerootfs.service` of Debian's own Raspberry Pi images.
    ResizeService,
}

/// The form of `/etc/machine-id`. For systemd the first two mean a first boot, with its own units and presets
/// (machine-id(5)); a base whose first boot depends on it must keep the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineId {
    /// No file.
    Absent,
    /// The word `uninitialized`.
    Uninitialized,
    /// Empty: an ID is generated, but it is not a first boot.
    Empty,
    /// A fixed ID, which all copies of the image would share.
    Fixed,
}

impl MachineId {
    /// Whether systemd treats the boot as a first boot.
    pub fn makes_a_first_boot(self) -> bool {
        matches!(self, Self::Absent | Self::Uninitialized)
    }

    /// From the file's text.
    pub(super) fn of(text: Option<&str>) -> Self {
        match text.map(str::trim) {
            None => Self::Absent,
            Some("uninitialized") => Self::Uninitialized,
            Some("") => Self::Empty,
            Some(_) => Self::Fixed,
        }
    }
}

impl fmt::Display for CloudInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.disabled { "switched off" } else { "runs" })?;
        if !self.datasources.is_empty() {
            write!(f, ", sources {}", self.datasources.join(" "))?;
        }
        if let Some(seed) = &self.seed {
            write!(f, ", {seed}")?;
        }
        Ok(())
    }
}

impl fmt::Display for UserSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Userconf => "userconf",
            Self::CloudInit => "cloud-init",
            Self::SystemdFirstboot => "systemd-firstboot",
        })
    }
}

impl fmt::Display for RootGrowth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InitProgram => "init program of the first boot",
            Self::ResizeWord => "kernel word resize",
            Self::CloudInit => "cloud-init growpart",
            Self::Growfs => "x-systemd.growfs",
            Self::ResizeService => "rpi-resizerootfs",
        })
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "absent",
            Self::Uninitialized => "uninitialized",
            Self::Empty => "empty",
            Self::Fixed => "fixed, all copies share it",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_machine_id_is_recognized() {
        for (text, want) in [
            (None, MachineId::Absent),
            (Some(""), MachineId::Empty),
            (Some("\n"), MachineId::Empty),
            (Some("uninitialized\n"), MachineId::Uninitialized),
            (Some("5a0b7c1e000040008000000000000001\n"), MachineId::Fixed),
        ] {
            assert_eq!(MachineId::of(text), want, "{text:?}");
        }
    }
}

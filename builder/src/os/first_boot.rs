//! What the system itself does on its first boot, which an edit must work with and not against.

use std::fmt;

use serde::{Deserialize, Serialize};

/// cloud-init, and where it takes its data from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudInit {
    /// Whether the image switches it off.
    pub disabled: bool,
    /// The data sources that it tries, in their order; empty where it finds out itself.
    pub datasources: Vec<String>,
    /// Where its NoCloud source looks, besides its own places: `fs_label: system-boot` or `seedfrom: …`.
    pub seed: Option<String>,
}

/// What makes the first account usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserSetup {
    /// Raspberry Pi OS's `userconf-pi`: `userconf.txt` on the FAT, else a dialogue on the console.
    Userconf,
    /// cloud-init's `users`.
    CloudInit,
    /// systemd's question for root's password on the console, before anything else starts: Debian's Raspberry Pi image
    /// since trixie.
    SystemdFirstboot,
}

/// What grows the root to the size of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootGrowth {
    /// A program that stands in for init once: Raspberry Pi OS bullseye and bookworm.
    InitProgram,
    /// The word `resize` among the kernel's arguments: Raspberry Pi OS trixie.
    ResizeWord,
    /// cloud-init with growpart, partition and file system.
    CloudInit,
    /// The mount option `x-systemd.growfs`, the file system only.
    Growfs,
    /// `rpi-resizerootfs.service` of Debian's own Raspberry Pi images.
    ResizeService,
}

/// What `/etc/machine-id` holds. systemd takes the first two for a first boot, with units and presets of its own
/// (machine-id(5)); a base whose first boot depends on it must keep its own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineId {
    /// No file.
    Absent,
    /// The word `uninitialized`.
    Uninitialized,
    /// Nothing: an id is made, but it is no first boot.
    Empty,
    /// An id, which all copies of the image would share.
    Fixed,
}

impl MachineId {
    /// Whether systemd takes the first boot for one.
    pub fn makes_a_first_boot(self) -> bool {
        matches!(self, Self::Absent | Self::Uninitialized)
    }

    /// By the file's text.
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
    fn the_forms_of_a_machine_id_are_told_apart() {
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

//! What a probe finds out, and all that a plan may know of an image.

use std::collections::BTreeSet;
use std::fmt;

use hc_common::network::NetworkStack;
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::fs::{ImagePath, Space};
use crate::value::TimeZone;

use super::family::System;
use super::first_boot::{CloudInit, MachineId, RootGrowth, UserSetup};
use super::kernel::Kernel;
use super::snapshot::Snapshot;

/// What a probe found out. Written as text it is the fixture of a base: a plan can then be made without an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Family and release.
    pub system: System,
    /// What the system calls itself, `Ubuntu 24.04.3 LTS`.
    pub pretty_name: String,
    /// What its programs run on, read from an ELF header of the root file system.
    pub arch: Arch,
    /// How the kernel gets its arguments.
    pub bootloader: Bootloader,
    /// The directory where the FAT partition is mounted.
    pub boot_dir: ImagePath,
    /// What is enabled to set up the network; a static address needs exactly one that we edit.
    pub network: Vec<NetworkStack>,
    /// Whether the name servers that the network service is told reach `/etc/resolv.conf`: systemd-resolved or
    /// resolvconf sees to that. NetworkManager and dhcpcd do it themselves.
    pub resolver: bool,
    /// Whether wpa_supplicant is installed.
    pub wpa_supplicant: bool,
    /// All mechanisms that would make swap.
    pub swap: Vec<Swap>,
    /// Whether the installed iptables is too old for k3s.
    pub old_iptables: bool,
    /// The time zones that the image knows.
    pub time_zones: BTreeSet<TimeZone>,
    /// cloud-init, where it is installed and would overwrite names and network.
    pub cloud_init: Option<CloudInit>,
    /// What makes the first account usable; nothing on an image with accounts of its own.
    pub user_setup: Vec<UserSetup>,
    /// What grows the root on the first boot.
    pub root_growth: Vec<RootGrowth>,
    /// What `/etc/machine-id` holds.
    pub machine_id: MachineId,
    /// How many packages are installed.
    pub packages: usize,
    /// The name in `/etc/hostname`.
    pub hostname: Option<String>,
    /// Room on the root file system.
    pub space: Space,
    /// The kernels with modules, by release.
    pub kernels: Vec<Kernel>,
    /// When the root file system was last written, in seconds since 1970.
    pub written: i64,
    /// The files that edits look at.
    pub files: Snapshot,
}

impl Facts {
    /// What the file says that the kernel's arguments stand in, which the probe always takes. Nothing where it cannot be
    /// read.
    pub(super) fn arguments(&self) -> &str {
        self.files.text(self.bootloader.arguments_file()).ok().flatten().unwrap_or_default()
    }
}

/// How the kernel gets its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bootloader {
    /// One line in a file on the FAT partition.
    PiFirmware {
        /// `cmdline.txt`, with the prefix in it.
        cmdline: ImagePath,
        /// `os_prefix` of `config.txt`: `current/` on Ubuntu since 25.10, else empty.
        prefix: String,
        /// The kernels that `config.txt` names; none where the firmware takes its defaults.
        kernels: Vec<String>,
        /// The names of the device trees beside the kernels, such as `bcm2711-rpi-4-b.dtb`.
        device_trees: Vec<String>,
    },
    /// The `linux` lines of a generated file.
    Grub {
        /// `grub.cfg`.
        config: ImagePath,
    },
}

impl Bootloader {
    /// The file that the kernel's arguments stand in.
    pub fn arguments_file(&self) -> &ImagePath {
        match self {
            Self::PiFirmware { cmdline, .. } => cmdline,
            Self::Grub { config } => config,
        }
    }
}

/// What would make swap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Swap {
    /// The service of the package dphys-swapfile and, where it was made already, its file.
    DphysSwapfile {
        /// The swap file, if it exists in the image.
        file: Option<ImagePath>,
    },
    /// Raspberry Pi OS trixie's rpi-swap with zram-generator.
    RpiSwap,
    /// zram-generator by itself, with a device in its configuration.
    ZramGenerator,
    /// A service of the package zram-tools (Debian) or zram-config (Ubuntu).
    ZramService {
        /// The service's name.
        unit: String,
    },
    /// A line of type swap in fstab.
    Fstab {
        /// Its first field.
        device: String,
        /// The swap file, if it is one and exists in the image.
        file: Option<ImagePath>,
    },
    /// A swap unit of systemd.
    Unit {
        /// Its name, `swapfile.swap`.
        unit: String,
    },
    /// A partition that systemd switches on by its GPT type.
    GptPartition {
        /// Its number.
        number: u32,
    },
}

impl fmt::Display for Swap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DphysSwapfile { file: Some(file) } => write!(f, "dphys-swapfile ({file})"),
            Self::DphysSwapfile { file: None } => f.write_str("dphys-swapfile"),
            Self::RpiSwap => f.write_str("rpi-swap"),
            Self::ZramGenerator => f.write_str("zram-generator"),
            Self::ZramService { unit } => f.write_str(unit),
            Self::Fstab { device, .. } => write!(f, "fstab ({device})"),
            Self::Unit { unit } => f.write_str(unit),
            Self::GptPartition { number } => write!(f, "partition {number}"),
        }
    }
}

//! The facts of a base image: the result of a probe, and the only input of a plan about the image.

use std::collections::BTreeSet;
use std::fmt;

use hc_common::network::NetworkStack;
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::formats::config_txt::Setting;
use crate::fs::{ImagePath, Space};
use crate::value::TimeZone;

use super::boot::PartitionNames;
use super::family::System;
use super::first_boot::{CloudInit, MachineId, RootGrowth, UserSetup};
use super::kernel::Kernel;
use super::snapshot::Snapshot;

/// The facts of a base image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Family and release.
    pub system: System,
    /// The system's own name, such as `Ubuntu 24.04.3 LTS`.
    pub pretty_name: String,
    /// The architecture, read from an ELF header of the root file system.
    pub arch: Arch,
    /// The boot loader's configuration of kernels and their arguments.
    pub bootloader: Bootloader,
    /// The mount point of the FAT partition.
    pub boot_dir: ImagePath,
    /// All partitions, with the names by which Linux finds them.
    pub partitions: Vec<PartitionNames>,
    /// Which of the files that the boot configuration names exist, whatever the board.
    pub boot_files: BTreeSet<ImagePath>,
    /// The enabled network services; a static address needs exactly one supported one.
    pub network: Vec<NetworkStack>,
    /// Whether the name servers of the network service reach `/etc/resolv.conf`, by systemd-resolved or resolvconf.
    /// NetworkManager and dhcpcd write it themselves.
    pub resolver: bool,
    /// Whether the image answers for its name with `.local` (multicast DNS): avahi-daemon is enabled. systemd-resolved
    /// does not answer as Debian and Ubuntu configure it.
    #[serde(default)]
    pub mdns: bool,
    /// Whether wpa_supplicant is installed.
    pub wpa_supplicant: bool,
    /// All swap mechanisms.
    pub swap: Vec<Swap>,
    /// Whether the installed iptables is too old for k3s.
    pub old_iptables: bool,
    /// The time zones in the image.
    pub time_zones: BTreeSet<TimeZone>,
    /// cloud-init, if it runs in the image: it would overwrite names and network.
    pub cloud_init: Option<CloudInit>,
    /// The mechanism for the first account; `None` for an image with its own accounts.
    pub user_setup: Vec<UserSetup>,
    /// The mechanism that grows the root on the first boot.
    pub root_growth: Vec<RootGrowth>,
    /// The form of `/etc/machine-id`.
    pub machine_id: MachineId,
    /// The number of installed packages.
    pub packages: usize,
    /// The name in `/etc/hostname`.
    pub hostname: Option<String>,
    /// The space of the root file system.
    pub space: Space,
    /// The kernels with modules, by release.
    pub kernels: Vec<Kernel>,
    /// When the root file system was last written, in seconds since 1970.
    pub written: i64,
    /// The files that edits read.
    pub files: Snapshot,
}

impl Facts {
    /// What the file says that the kernel's arguments stand in, which the probe always takes. Nothing where it cannot be
    /// read.
    pub(super) fn arguments(&self) -> &str {
        self.files.text(self.bootloader.arguments_file()).ok().flatten().unwrap_or_default()
    }
}

/// The boot loader's configuration of kernels and their arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bootloader {
    /// One line in a file on the FAT partition.
    PiFirmware {
        /// `cmdline.txt`, with the prefix in it.
        cmdline: ImagePath,
        /// `os_prefix` of `config.txt`: `current/` on Ubuntu since 25.10, else empty.
        prefix: String,
        /// The kernels named in `config.txt`; empty for the firmware's defaults.
        kernels: Vec<String>,
        /// The names of the device trees beside the kernels, such as `bcm2711-rpi-4-b.dtb`.
        device_trees: Vec<String>,
        /// The lines of `config.txt`, its included files and `autoboot.txt` that decide what is booted.
        settings: Vec<Setting>,
        /// The number of the boot partition as the firmware counts.
        boot_partition: u32,
    },
    /// The `linux` lines of a generated file.
    Grub {
        /// `grub.cfg`.
        config: ImagePath,
    },
}

impl Bootloader {
    /// The file with the kernel arguments.
    pub fn arguments_file(&self) -> &ImagePath {
        match self {
            Self::PiFirmware { cmdline, .. } => cmdline,
            Self::Grub { config } => config,
        }
    }
}

/// A swap mechanism.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Swap {
    /// The service of the package dphys-swapfile and its file, if it exists.
    DphysSwapfile {
        /// The swap file, if it exists in the image.
        file: Option<ImagePath>,
    },
    /// Raspberry Pi OS trixie's rpi-swap with zram-generator.
    RpiSwap,
    /// zram-generator without rpi-swap, with a device in its configuration.
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
        /// The swap file, if the device is an existing file.
        file: Option<ImagePath>,
    },
    /// A swap unit of systemd.
    Unit {
        /// Its name, `swapfile.swap`.
        unit: String,
    },
    /// A setting of cloud-init.
    CloudInit {
        /// The file that has it.
        file: ImagePath,
        /// The key at its top level.
        key: String,
    },
    /// A partition that systemd enables by its GPT type.
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
            Self::CloudInit { file, key } => write!(f, "cloud-init ({key} in {file})"),
            Self::GptPartition { number } => write!(f, "partition {number}"),
        }
    }
}

//! What a probe finds out, and all that a plan may know of an image.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::arch::Arch;
use crate::edit::kernel_modules::KernelModules;
use crate::fs::{ImagePath, Space};
use crate::value::TimeZone;

use super::family::System;
use super::snapshot::Snapshot;

/// What a probe found out.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Family and release.
    pub system: System,
    /// What its programs run on, read from an ELF header of the root file system.
    pub arch: Arch,
    /// How the kernel gets its arguments.
    pub bootloader: Bootloader,
    /// The folder where the FAT partition is mounted.
    pub boot_folder: ImagePath,
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
    /// Whether cloud-init is installed and would overwrite names and network.
    pub cloud_init: bool,
    /// The time zones that the image knows.
    pub time_zones: BTreeSet<TimeZone>,
    /// The name in `/etc/hostname`.
    pub hostname: Option<String>,
    /// Room on the root file system.
    pub space: Space,
    /// The modules of the image's kernels.
    pub modules: KernelModules,
    /// When the root file system was last written, in seconds since 1970.
    pub written: i64,
    /// The files that edits look at.
    pub files: Snapshot,
}

/// How the kernel gets its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bootloader {
    /// One line in a file on the FAT partition.
    PiFirmware {
        /// `cmdline.txt`.
        cmdline: ImagePath,
    },
    /// The `linux` lines of a generated file.
    Grub {
        /// `grub.cfg`.
        config: ImagePath,
    },
}

/// What sets up the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkStack {
    /// `/etc/dhcpcd.conf`.
    Dhcpcd,
    /// Keyfiles in `/etc/NetworkManager/system-connections`.
    NetworkManager,
    /// Files in `/etc/systemd/network`.
    Networkd,
    /// Files in `/etc/netplan`, of which netplan makes those of systemd-networkd at each boot. Where it makes them for
    /// NetworkManager, that is what counts.
    Netplan,
    /// `/etc/network/interfaces`, where an interface is set up there; that of the loopback is everywhere.
    Ifupdown,
}

/// What would make swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// The service of the package dphys-swapfile and, where it was made already, its file.
    DphysSwapfile {
        /// The swap file, if it exists in the image.
        file: Option<ImagePath>,
    },
    /// Raspberry Pi OS trixie's rpi-swap with zram-generator.
    RpiSwap,
    /// Lines of type swap in fstab.
    Fstab,
}

impl fmt::Display for NetworkStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dhcpcd => "dhcpcd",
            Self::NetworkManager => "NetworkManager",
            Self::Networkd => "systemd-networkd",
            Self::Netplan => "netplan",
            Self::Ifupdown => "ifupdown",
        })
    }
}

impl fmt::Display for Swap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DphysSwapfile { file: Some(file) } => write!(f, "dphys-swapfile ({file})"),
            Self::DphysSwapfile { file: None } => f.write_str("dphys-swapfile"),
            Self::RpiSwap => f.write_str("rpi-swap"),
            Self::Fstab => f.write_str("fstab"),
        }
    }
}

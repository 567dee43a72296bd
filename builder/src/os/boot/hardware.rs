//! What the chain needs to know of a board.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::formats::device::Driver;

use super::super::kernel::PiKernel;

/// What a board can boot from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Medium {
    /// An SD card.
    Sd,
    /// Flash memory on the board.
    Emmc,
    /// A disk on USB.
    Usb,
    /// An NVMe SSD.
    Nvme,
    /// A disk on SATA or a virtual one.
    Disk,
}

/// What of a board decides how an image boots on it.
#[derive(Debug, Clone, Copy)]
pub struct Hardware<'a> {
    /// The kernel that a Raspberry Pi loads by default.
    pub kernel: Option<PiKernel>,
    /// The filters of `config.txt` that are for it; none where that is not known.
    pub filters: Option<&'a [String]>,
    /// What it can boot from; empty where that is not known.
    pub media: &'a [Medium],
}

impl Medium {
    /// Whether disks on this medium are named by the driver.
    pub(super) fn is_driven_by(self, driver: Driver) -> bool {
        match self {
            Self::Sd | Self::Emmc => driver == Driver::Mmc,
            Self::Usb => driver == Driver::Scsi,
            Self::Nvme => driver == Driver::Nvme,
            Self::Disk => matches!(driver, Driver::Scsi | Driver::Virtio),
        }
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sd => "SD",
            Self::Emmc => "eMMC",
            Self::Usb => "USB",
            Self::Nvme => "NVMe",
            Self::Disk => "disk",
        })
    }
}

//! The image is made for the board's processor: Debian 12 for the Pi, for one, knows no Pi 5.

use crate::board::Board;
use crate::os::{Bootloader, Facts, Family};

use super::error::PlanError;
use super::unsupported::Unsupported;

/// How the device trees for the processor of a Pi 5 and a CM5 begin.
const BCM2712: &str = "bcm2712";
/// The driver of the chip beside that processor, as Linux has it since 6.17 (`drivers/misc/rp1`) and as Raspberry Pi's own
/// kernels have it (`drivers/mfd/rp1.c`).
const RP1: [&str; 2] = ["rp1_pci", "rp1"];

pub(super) fn check(facts: &Facts, board: &Board) -> Result<(), PlanError> {
    let Bootloader::PiFirmware { device_trees, .. } = &facts.bootloader else { return Ok(()) };
    has_device_tree(device_trees, board)?;
    has_rp1(facts, board)
}

/// The firmware hands the kernel a description of the board, which lies beside the kernel, and stops where there is none.
fn has_device_tree(device_trees: &[String], board: &Board) -> Result<(), PlanError> {
    let wanted = &board.device_trees;
    let is_wanted = |name: &String| wanted.iter().any(|start| name.starts_with(start));
    if wanted.is_empty() || device_trees.iter().any(is_wanted) {
        return Ok(());
    }
    Err(Unsupported::DeviceTree { board: board.title.clone(), starts: wanted.clone() }.into())
}

/// Ethernet and USB of a Pi 5 are on the RP1. Linux had device trees for the board before it had a driver for that:
/// Debian 13 starts there, and has no network. Raspberry Pi OS and Ubuntu have Raspberry Pi's kernel, which had it first.
fn has_rp1(facts: &Facts, board: &Board) -> Result<(), PlanError> {
    let is_wanted = board.device_trees.iter().any(|start| start.starts_with(BCM2712));
    if !is_wanted || facts.system.family != Family::DebianPi {
        return Ok(());
    }
    let kernels = facts.boot_kernels(board.kernel);
    let lacking = kernels.iter().find(|kernel| !RP1.iter().any(|driver| kernel.modules.has(driver)));
    let Some(kernel) = lacking else { return Ok(()) };
    Err(Unsupported::Rp1Driver { kernel: kernel.release.clone(), board: board.title.clone() }.into())
}

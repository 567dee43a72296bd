//! The image is made for the board's processor: Debian 12 for the Pi, for one, knows no Pi 5.

use crate::board::Board;
use crate::os::{Bootloader, Facts};

use super::error::PlanError;

/// The firmware hands the kernel a description of the board, which lies beside the kernel, and stops where there is none.
pub(super) fn check(facts: &Facts, board: &Board) -> Result<(), PlanError> {
    let Bootloader::PiFirmware { device_trees, .. } = &facts.bootloader else { return Ok(()) };
    let wanted = &board.device_trees;
    let is_wanted = |name: &String| wanted.iter().any(|start| name.starts_with(start));
    if wanted.is_empty() || device_trees.iter().any(is_wanted) {
        return Ok(());
    }
    Err(PlanError::Unsupported {
        what: format!(
            "an image without a device tree for {} ({}*.dtb on its boot partition)",
            board.title,
            wanted.join("*.dtb or ")
        ),
        cure: "the board would not start; take an image whose publisher names this board, such as a newer release"
            .to_owned(),
    })
}

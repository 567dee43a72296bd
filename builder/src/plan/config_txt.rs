//! What a board needs of the Raspberry Pi's firmware, besides what stock images say.

use crate::formats::config_txt::{self, CUSTOM_PATH};
use crate::os::{Bootloader, Family, Interest};

use super::builder::{PlanBuilder, at};
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "settings of the firmware that the board needs";

pub(super) const READS: [Interest; 2] = [Interest::Boot(config_txt::NAME), Interest::Path(CUSTOM_PATH)];

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let settings = &request.board.config_txt;
    let Bootloader::PiFirmware { .. } = builder.facts.bootloader else { return Ok(()) };
    if settings.is_empty() {
        return Ok(());
    }
    let path = at(&format!("{}/{}", builder.facts.boot_dir, config_txt::NAME));
    builder.change(&path, REASON, |text| Ok(config_txt::edit(text, settings)))?;
    if builder.facts.system.family == Family::DebianPi {
        builder.change_or_make(CUSTOM_PATH, REASON, |text| Ok(config_txt::edit_custom(text, settings)))?;
    }
    Ok(())
}

//! What a board needs of the Raspberry Pi's firmware, besides what stock images say.

use crate::edit::config_txt::{self, CUSTOM_PATH};
use crate::os::{Bootloader, Family};

use super::draft::{Draft, at};
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "settings of the firmware that the board needs";

pub(super) fn edits(draft: &mut Draft, request: &Request<'_>) -> Result<(), PlanError> {
    let settings = &request.board.config_txt;
    let Bootloader::PiFirmware { .. } = draft.facts.bootloader else { return Ok(()) };
    if settings.is_empty() {
        return Ok(());
    }
    let path = at(&format!("{}/{}", draft.facts.boot_folder, config_txt::NAME));
    draft.change(&path, REASON, |text| Ok(config_txt::edit(text, settings)))?;
    if draft.facts.system.family == Family::DebianPi {
        draft.change_or_make(CUSTOM_PATH, REASON, |text| Ok(config_txt::edit_custom(text, settings)))?;
    }
    Ok(())
}

//! The MBR that some images for the Raspberry Pi have beside their GPT: the firmware reads the one, Linux the other.

use std::fs::File;

use super::error::Result;
use super::grow::whole;
use super::mbr;
use super::partition::{PartitionTable, TableKind};

/// Puts the entries of a hybrid MBR into the order that a Raspberry Pi's firmware reads; tells whether they were in
/// another. The GPT, boot code and ids stay as they are, and so does every image without a hybrid MBR.
pub fn order_for_firmware(file: &File) -> Result<bool> {
    let image = whole(file)?;
    let TableKind::Gpt { hybrid: true, .. } = PartitionTable::read(&image)?.kind else { return Ok(false) };
    let Some(ordered) = mbr::firmware_order(&mbr::read(&image)?)? else { return Ok(false) };
    mbr::write(&image, &ordered)?;
    Ok(true)
}

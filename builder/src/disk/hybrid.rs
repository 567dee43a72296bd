//! The MBR that some images for the Raspberry Pi have beside their GPT: the firmware reads the one, Linux the other.

use std::fs::File;
use std::sync::Arc;

use super::error::{DiskError, Result};
use super::mbr;
use super::table::{PartitionTable, TableKind};
use super::window::Window;

/// Puts the entries of a hybrid MBR into the order that a Raspberry Pi's firmware reads; tells whether they were in
/// another. The GPT, boot code and ids stay as they are, and so does every image without a hybrid MBR.
pub fn order_for_firmware(file: &File) -> Result<bool> {
    let file = file.try_clone().map_err(DiskError::io("opening the image once more"))?;
    let image = Window::whole(Arc::new(file)).map_err(DiskError::io("reading the size of the image"))?;
    let TableKind::Gpt { hybrid: true, .. } = PartitionTable::read(&image)?.kind else { return Ok(false) };
    let mut sector = [0; 512];
    image.read_exact_at(&mut sector, 0).map_err(DiskError::io("reading the boot sector"))?;
    let Some(ordered) = mbr::firmware_order(&sector)? else { return Ok(false) };
    image.write_all_at(&ordered, 0).map_err(DiskError::io("writing the boot sector"))?;
    Ok(true)
}

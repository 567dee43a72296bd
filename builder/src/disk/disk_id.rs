//! The id in an MBR, by which partitions are named.

use std::fs::File;

use super::error::{DiskError, Result};
use super::grow::whole;
use super::mbr;
use super::partition::{PartitionTable, TableKind};

/// Gives the disk the id `new`; it must have `old`. Boot code and entries stay as they are. Whatever names partitions by
/// the id has to be edited besides.
pub fn set_disk_id(file: &File, old: u32, new: u32) -> Result<()> {
    let image = whole(file)?;
    match PartitionTable::read(&image)?.kind {
        TableKind::Mbr { disk_id } if disk_id == old => {}
        TableKind::Mbr { disk_id } => {
            let what = format!("the disk has the id {disk_id:08x}, but its kernel arguments name {old:08x}");
            return Err(DiskError::Corrupt {
                what,
                hint: Some("take an image of the publisher's that nobody changed"),
            });
        }
        TableKind::Gpt { .. } => return Err(DiskError::unsupported("another id for a GPT disk")),
    }
    mbr::write(&image, &mbr::with_disk_id(&mbr::read(&image)?, new)?)
}

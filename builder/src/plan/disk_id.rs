//! An id of its own for the image's disk, where the publisher's first boot would have made one.
//!
//! Two disks with one id in a machine, such as a card and an NVMe disk that were written from the same image, are one too
//! many: `root=PARTUUID=` may then mean either. Raspberry Pi OS until bookworm makes an id on the first boot, by the program
//! that [`crate::formats::init_program`] takes out. Here it is made before the card is written, so that no power cut can
//! come between the id and the files that name it.

use crate::formats::{disk_id, init_program, kernel_args};
use crate::os::{Bootloader, Facts, NotTaken};
use crate::source::digest::Sha256Digest;

use super::builder::PlanBuilder;
use super::edit::DiskId;
use super::error::PlanError;
use super::request::Request;

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    if let Some(id) = change(builder.facts, request)? {
        builder.disk_id(id);
    }
    Ok(())
}

/// The text of a file that names partitions by the disk's id, as it is to be afterwards.
pub(super) fn renamed(text: &str, change: Option<DiskId>) -> String {
    change.map_or_else(|| text.to_owned(), |DiskId { old, new }| disk_id::rename(text, old, new))
}

/// The change of the disk's id, where there is one.
pub(super) fn change(facts: &Facts, request: &Request<'_>) -> Result<Option<DiskId>, NotTaken> {
    let Bootloader::PiFirmware { cmdline, .. } = &facts.bootloader else { return Ok(None) };
    let text = facts.files.text(cmdline)?.unwrap_or_default();
    let words = kernel_args::args(text.lines().next().unwrap_or_default()).unwrap_or_default();
    if !words.into_iter().any(init_program::is_publishers) {
        return Ok(None);
    }
    Ok(disk_id::of_root(text).map(|old| DiskId { old, new: new(old, request) }))
}

/// The same for the same node of the same cluster and base, and else another one: a first boot would have drawn lots.
fn new(old: u32, request: &Request<'_>) -> u32 {
    let (cluster, node, time) = (&request.cluster.name, &request.node.name, request.time);
    let digest = Sha256Digest::of(format!("disk id\n{old:08x}\n{cluster}\n{node}\n{time}\n").as_bytes());
    let new = digest.to_string().get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(1);
    // Programs take zero for none.
    if new == 0 || new == old { old.wrapping_add(1).max(1) } else { new }
}

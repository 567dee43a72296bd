//! What makes an SD card or eMMC last: a bounded journal, no access times, and limits on images and logs of containers.

use crate::board::Storage;
use crate::formats::yaml::Node;
use crate::formats::{fstab, journald};

use super::builder::PlanBuilder;
use super::error::PlanError;
use super::request::Request;

/// The kubelet's defaults fill a disk up to 85 % with images, and keep five logs of 10 MiB for each container.
const KUBELET: [&str; 4] = [
    "image-gc-high-threshold=75",
    "image-gc-low-threshold=65",
    "container-log-max-size=5Mi",
    "container-log-max-files=3",
];

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    if is_due(request) {
        builder.setting("kubelet-arg", Node::list(KUBELET));
        builder.text(journald::PATH, 0o644, journald::render(), "the journal is bounded: it lies on a card");
    }
    Ok(())
}

/// The table of mounts, with the root mounted without access times.
pub(super) fn mounts(text: &str, request: &Request<'_>) -> String {
    if is_due(request) { fstab::without_access_times(text) } else { text.to_owned() }
}

fn is_due(request: &Request<'_>) -> bool {
    request.board.storage == Storage::Card
}

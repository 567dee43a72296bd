//! What the clock shows.

use crate::os::FileState;

use super::builder::{PlanBuilder, at};
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "the time zone of the cluster file";

/// Debian's second place, for programs that cannot read a link; trixie has done away with it.
const DEBIAN: &str = "/etc/timezone";

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let Some(zone) = &request.cluster.time_zone else { return Ok(()) };
    if !builder.facts.time_zones.contains(zone) {
        let hint = match builder.facts.time_zones.is_empty() {
            true => "use an image with the package tzdata, or leave `time-zone` out",
            false => {
                "write a name that `hcimage ls IMAGE:/usr/share/zoneinfo` shows, such as Europe/Berlin or UTC"
            }
        };
        return Err(PlanError::Unsupported {
            what: format!("the time zone {zone}, which the image does not know,"),
            hint: hint.to_owned(),
        });
    }
    builder.link("/etc/localtime", &format!("/usr/share/zoneinfo/{zone}"), REASON);
    if *builder.facts.files.get(&at(DEBIAN)) != FileState::Absent {
        builder.text(DEBIAN, 0o644, format!("{zone}\n"), REASON);
    }
    Ok(())
}

//! What the clock shows.

use crate::os::FileState;

use super::draft::{Draft, at};
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "the time zone of the cluster file";

/// Debian's second place, for programs that cannot read a link; trixie has done away with it.
const DEBIAN: &str = "/etc/timezone";

pub(super) fn edits(draft: &mut Draft, request: &Request<'_>) -> Result<(), PlanError> {
    let Some(zone) = &request.cluster.time_zone else { return Ok(()) };
    if !draft.facts.time_zones.contains(zone) {
        let cure = match draft.facts.time_zones.is_empty() {
            true => "use an image with the package tzdata, or leave `time-zone` out",
            false => {
                "write a name that `hcimage ls IMAGE:/usr/share/zoneinfo` shows, such as Europe/Berlin or UTC"
            }
        };
        return Err(PlanError::Unsupported {
            what: format!("the time zone {zone}, which the image does not know,"),
            cure: cure.to_owned(),
        });
    }
    draft.link("/etc/localtime", &format!("/usr/share/zoneinfo/{zone}"), REASON);
    if *draft.facts.files.get(&at(DEBIAN)) != FileState::Absent {
        draft.text(DEBIAN, 0o644, format!("{zone}\n"), REASON);
    }
    Ok(())
}

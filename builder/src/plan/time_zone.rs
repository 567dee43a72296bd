//! What the clock shows.

use crate::os::Interest;

use super::builder::PlanBuilder;
use super::error::PlanError;
use super::request::Request;
use super::unsupported::Unsupported;

const REASON: &str = "the time zone of the cluster file";

/// Debian's second place, for programs that cannot read a link; trixie has done away with it.
const DEBIAN: &str = "/etc/timezone";

pub(super) const READS: [Interest; 1] = [Interest::Path(DEBIAN)];

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let Some(zone) = &request.cluster.time_zone else { return Ok(()) };
    if !builder.facts.time_zones.contains(zone) {
        let has_some = !builder.facts.time_zones.is_empty();
        let why = if has_some { Unsupported::TimeZone } else { Unsupported::TimeZones };
        return Err(why(zone.clone()).into());
    }
    builder.link("/etc/localtime", &format!("/usr/share/zoneinfo/{zone}"), REASON);
    if !builder.is_absent(DEBIAN)? {
        builder.text(DEBIAN, 0o644, format!("{zone}\n"), REASON);
    }
    Ok(())
}

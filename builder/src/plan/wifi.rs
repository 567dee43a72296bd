//! The radio: rules of the country, and switched on. The network itself is in the profile, see `network`.

use crate::cluster::Link;
use crate::formats::{network_manager_state, wifi_country};
use crate::fs::ImagePath;
use crate::os::{FileState, Interest, NotTaken};

use super::builder::{PlanBuilder, at};
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "the radio is switched on";

/// Where systemd keeps what was blocked, a file for each radio; its name ends with the kind.
const RFKILL: &str = "/var/lib/systemd/rfkill";

pub(super) const READS: [Interest; 2] = [Interest::Path(network_manager_state::PATH), Interest::Dir(RFKILL)];

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let Link::Wifi(wifi) = &request.node.network.link else { return Ok(()) };
    if !builder.facts.wpa_supplicant {
        return Err(PlanError::Unsupported {
            what: "a node on Wi-Fi, with an image without the package wpasupplicant,".to_owned(),
            hint: "use an image that has it, or connect the node by cable and leave `wifi` out".to_owned(),
        });
    }
    builder.text(
        wifi_country::PATH,
        0o644,
        wifi_country::render(&wifi.country),
        "the country's rules for radio",
    );
    let state = at(network_manager_state::PATH);
    if builder.facts.files.text(&state)?.is_some() {
        builder.change(&state, REASON, |text| Ok(network_manager_state::edit(text)))?;
    }
    for radio in blocked(builder)? {
        builder.change(&radio, REASON, |_| Ok("0\n".to_owned()))?;
    }
    Ok(())
}

fn blocked(builder: &PlanBuilder) -> Result<Vec<ImagePath>, NotTaken> {
    let dir = at(RFKILL);
    let is_blocked = |state: &FileState| matches!(state, FileState::Text(text, _) if text.trim() == "1");
    let all = builder.facts.files.below(&dir)?;
    let blocked = all.filter(|(path, state)| path.as_str().ends_with(":wlan") && is_blocked(state));
    Ok(blocked.map(|(path, _)| path.clone()).collect())
}

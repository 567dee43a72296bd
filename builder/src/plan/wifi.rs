//! The radio: rules of the country, and switched on. The network itself is in the profile, see `network`.

use hc_common::network::NetworkStack;

use crate::cluster::{Link, WifiSecurity};
use crate::formats::{network_manager_state, wifi_country};
use crate::fs::ImagePath;
use crate::os::{FileState, Interest, NotTaken};

use super::builder::{PlanBuilder, at};
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "the radio is switched on";

/// The digits of a key that is made of a password.
const KEY_DIGITS: usize = 64;

/// Releases with a netplan before 0.107.
const OLD_NETPLAN: [&str; 5] = ["buster", "bullseye", "bookworm", "focal", "jammy"];

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
    if wifi.security == WifiSecurity::Wpa3 {
        check_wpa3(builder, wifi.psk.expose().len() == KEY_DIGITS)?;
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

/// WPA3 is not in the netplan of older releases, which then reads none of its files; and it needs the password itself.
fn check_wpa3(builder: &PlanBuilder, is_key: bool) -> Result<(), PlanError> {
    let is_old = OLD_NETPLAN.contains(&builder.facts.system.codename.as_str());
    let unsupported =
        |what: &str, hint: &str| Err(PlanError::Unsupported { what: what.to_owned(), hint: hint.to_owned() });
    if is_key {
        return unsupported(
            "a Wi-Fi password of 64 hex digits, which is a key for WPA2, for a network with WPA3",
            "use the password of the network",
        );
    }
    if is_old && builder.facts.network == [NetworkStack::Netplan] {
        return unsupported(
            "WPA3 with the netplan of this release",
            "use Ubuntu 24.04 or Debian 13 or later, an image with NetworkManager, or a network with WPA2",
        );
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

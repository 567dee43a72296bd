//! The node's address and search domain, in the form that the image's own network service reads.

use crate::cluster::{Addressing, Link};
use crate::edit::{dhcpcd_conf, keyfile};
use crate::os::{Bootloader, NetworkStack};
use crate::value::StaticNetwork;

use super::draft::{Draft, at};
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "the node's address";

/// Where all is as the base has it, DHCP on any wired interface, the base's files stay as they are.
pub(super) fn edits(draft: &mut Draft, request: &Request<'_>) -> Result<(), PlanError> {
    let node = request.node;
    if let Link::Wifi(_) = node.network.link {
        return Err(PlanError::Unsupported {
            what: "a node on Wi-Fi".to_owned(),
            cure: "connect it by cable and leave `wifi` out".to_owned(),
        });
    }
    let profile = keyfile::Profile {
        network: fixed(request),
        interface: node.network.interface.as_ref(),
        mac: node.mac.as_ref(),
        search: request.cluster.domain.as_ref(),
    };
    if profile.network.is_none()
        && profile.interface.is_none()
        && profile.mac.is_none()
        && profile.search.is_none()
    {
        return Ok(());
    }
    match draft.facts.network.as_slice() {
        [NetworkStack::Dhcpcd] => dhcpcd(draft, &profile),
        [NetworkStack::NetworkManager] => {
            draft.text(keyfile::PATH, keyfile::MODE, keyfile::render(&profile), REASON);
            Ok(())
        }
        found => Err(unsupported(found)),
    }
}

/// The fixed address; none is DHCP.
pub(super) fn fixed<'a>(request: &Request<'a>) -> Option<&'a StaticNetwork> {
    match &request.node.network.addressing {
        Addressing::Static(network) => Some(network),
        Addressing::Dhcp => None,
    }
}

/// dhcpcd knows interfaces by name only. Raspberry Pi OS keeps the kernel's name eth0 for the Ethernet port.
fn dhcpcd(draft: &mut Draft, profile: &keyfile::Profile<'_>) -> Result<(), PlanError> {
    if !matches!(draft.facts.bootloader, Bootloader::PiFirmware { .. }) {
        return Err(unsupported(&[NetworkStack::Dhcpcd]));
    }
    if let Some(mac) = profile.mac {
        return Err(PlanError::Unsupported {
            what: format!("choosing the interface by its MAC address {mac} on an image with dhcpcd"),
            cure: "leave `mac` out and name the `interface`, such as eth0".to_owned(),
        });
    }
    let usual = "eth0".parse().map_err(|_| unsupported(&[NetworkStack::Dhcpcd]))?;
    let interface = profile.interface.unwrap_or(&usual);
    draft.change(&at(dhcpcd_conf::PATH), REASON, |text| {
        dhcpcd_conf::edit(text, interface, profile.network, profile.search)
    })
}

fn unsupported(found: &[NetworkStack]) -> PlanError {
    let found = match found {
        [] => "no network service that is known".to_owned(),
        stacks => stacks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "),
    };
    PlanError::Unsupported {
        what: format!("a static address, an interface or a search domain on an image with {found}"),
        cure: "use an image with NetworkManager, or with dhcpcd on a Raspberry Pi, or leave the node on DHCP"
            .to_owned(),
    }
}

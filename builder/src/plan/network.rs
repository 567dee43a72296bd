//! A static address, written in the form that the image's own network service reads.

use crate::edit::{dhcpcd_conf, keyfile};
use crate::os::{Bootloader, NetworkStack};
use crate::value::StaticNetwork;

use super::draft::{Draft, at};
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "static address";

pub(super) fn edits(draft: &mut Draft, request: &Request) -> Result<(), PlanError> {
    let Some(network) = &request.network else {
        return Ok(());
    };
    match draft.facts.network.as_slice() {
        [NetworkStack::Dhcpcd] => dhcpcd(draft, network),
        [NetworkStack::NetworkManager] => {
            draft.text(keyfile::PATH, 0o600, keyfile::render(Some(network), None), REASON);
            Ok(())
        }
        found => Err(unsupported(found)),
    }
}

/// dhcpcd knows interfaces by name only. Raspberry Pi OS keeps the kernel's name eth0 for the Ethernet port.
fn dhcpcd(draft: &mut Draft, network: &StaticNetwork) -> Result<(), PlanError> {
    if !matches!(draft.facts.bootloader, Bootloader::PiFirmware { .. }) {
        return Err(unsupported(&[NetworkStack::Dhcpcd]));
    }
    let interface = "eth0".parse().map_err(|_| unsupported(&[NetworkStack::Dhcpcd]))?;
    draft.change(&at(dhcpcd_conf::PATH), REASON, |text| dhcpcd_conf::edit(text, &interface, network))
}

fn unsupported(found: &[NetworkStack]) -> PlanError {
    let found = match found {
        [] => "no network service that is known".to_owned(),
        stacks => stacks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "),
    };
    PlanError::Unsupported {
        what: format!("a static address on an image with {found}"),
        cure: "use an image with NetworkManager, or with dhcpcd on a Raspberry Pi, or leave --address out"
            .to_owned(),
    }
}

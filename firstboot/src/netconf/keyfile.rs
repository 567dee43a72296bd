//! A NetworkManager keyfile (nm-settings-keyfile(5)).

use crate::seed::{Address, Network, PORT_UUID};

/// The file that the builder writes too, so that there is never a second profile.
pub(super) const PATH: &str = "/etc/NetworkManager/system-connections/hcimage.nmconnection";

/// The profile for the interface of the seed, or for the first wired one. With a VLAN the builder has written the one of
/// the port below. The priority lets it win over the profile
/// that NetworkManager makes up for each wired interface. `dad-timeout`: the service itself probes for the address on
/// later boots, and does not take it where somebody else has it.
pub(super) fn render(address: Address, network: &Network) -> String {
    let kind = if network.vlan.is_some() { "vlan" } else { "ethernet" };
    let mut text =
        format!("# Written by hcimage.\n[connection]\nid=hcimage\ntype={kind}\nautoconnect-priority=100\n");
    if let Some(interface) = &network.interface {
        text.push_str(&format!("interface-name={interface}\n"));
    }
    text.push_str(&match network.vlan {
        Some(id) => format!("\n[vlan]\nid={id}\nparent={PORT_UUID}\n"),
        None => "\n[ethernet]\n".to_owned(),
    });
    for (section, v4) in [("ipv4", true), ("ipv6", false)] {
        text.push_str(&format!("\n[{section}]\n{}", family(address, network, v4)));
    }
    text
}

fn family(address: Address, network: &Network, v4: bool) -> String {
    let mut text = match (address.ip().is_ipv4() == v4, network.gateway) {
        (false, _) => "method=auto\n".to_owned(),
        (true, Some(gateway)) => format!("method=manual\naddress1={address},{gateway}\n"),
        (true, None) => format!("method=manual\naddress1={address}\nnever-default=true\n"),
    };
    if v4 && address.ip().is_ipv4() {
        text.push_str("dad-timeout=1000\n");
    }
    let servers = network.dns.iter().filter(|server| server.is_ipv4() == v4);
    let servers: String = servers.map(|server| format!("{server};")).collect();
    if !servers.is_empty() {
        text.push_str(&format!("dns={servers}\n"));
    }
    text
}

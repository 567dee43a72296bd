//! A NetworkManager keyfile for the wired network (Raspberry Pi OS bookworm and later).

use std::fmt::Write as _;

use crate::value::{InterfaceName, StaticNetwork};

/// Where the file goes. NetworkManager ignores it unless it is root's and 0600.
pub const PATH: &str = "/etc/NetworkManager/system-connections/hcimage.nmconnection";

/// Permission bits that NetworkManager insists on.
pub const MODE: u16 = 0o600;

/// The profile: `network` or, without one, DHCP, on `interface` or, without one, on the first wired interface.
///
/// Matching by type is the default because one board's Ethernet is `eth0` or `end0` depending on the base. The priority
/// lets it win over the profile that NetworkManager makes up for each wired interface. There is no `uuid`: the service
/// derives one from the file's path, the same at each boot. Without a gateway, `never-default` says that no default
/// route is meant to come from this profile.
pub fn render(network: Option<&StaticNetwork>, interface: Option<&InterfaceName>) -> String {
    let mut text = String::from(
        "# Written by hcimage.\n[connection]\nid=hcimage\ntype=ethernet\nautoconnect-priority=100\n",
    );
    if let Some(interface) = interface {
        // Writing into a String cannot fail; the same holds below.
        let _ = writeln!(text, "interface-name={interface}");
    }
    text.push_str("\n[ethernet]\n");
    for (section, v4) in [("ipv4", true), ("ipv6", false)] {
        let _ = write!(text, "\n[{section}]\n{}", family(network, v4));
    }
    text
}

/// The keys of one address family.
fn family(network: Option<&StaticNetwork>, v4: bool) -> String {
    let Some(network) = network else { return "method=auto\n".into() };
    let address = network.address();
    let mut text = match (address.ip().is_ipv4() == v4, network.gateway()) {
        (false, _) => "method=auto\n".to_owned(),
        (true, Some(gateway)) => format!("method=manual\naddress1={address},{gateway}\n"),
        (true, None) => format!("method=manual\naddress1={address}\nnever-default=true\n"),
    };
    let servers = network.dns().iter().filter(|server| server.is_ipv4() == v4);
    let servers: String = servers.map(|server| format!("{server};")).collect();
    if !servers.is_empty() {
        let _ = writeln!(text, "dns={servers}");
    }
    text
}

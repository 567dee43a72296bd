//! A file of systemd-networkd (systemd.network(5)).

use std::fmt::Write as _;

use super::profile::{ETHERNET, Profile};

/// Where the file goes. Of all files that match an interface the first one by name holds, and bases have a `10-…`.
pub const PATH: &str = "/etc/systemd/network/00-hcimage.network";

/// The file, for Ethernet. Without an interface it is for those that are wired.
pub fn render(profile: &Profile<'_>) -> String {
    let mut text = String::from("# Written by hcimage.\n[Match]\n");
    // Writing into a String cannot fail; the same holds below.
    let _ = match (profile.interface, profile.mac) {
        (None, None) => writeln!(text, "Name={ETHERNET}"),
        (Some(name), None) => writeln!(text, "Name={name}"),
        // By type too: interfaces of other kinds inherit the address of the one below them.
        (None, Some(mac)) => writeln!(text, "MACAddress={mac}\nType=ether\nName={ETHERNET}"),
        (Some(name), Some(mac)) => writeln!(text, "MACAddress={mac}\nType=ether\nName={name}"),
    };
    text.push_str("\n[Network]\n");
    text.push_str(match profile.network.map(|network| network.address().ip().is_ipv4()) {
        None => "DHCP=yes\n",
        Some(true) => "DHCP=no\nIPv6AcceptRA=yes\n",
        // Routers are those of the file; addresses of the other family come by DHCP.
        Some(false) => "DHCP=ipv4\n",
    });
    if let Some(network) = profile.network {
        let _ = writeln!(text, "Address={}", network.address());
        if let Some(gateway) = network.gateway() {
            let _ = writeln!(text, "Gateway={gateway}");
        }
        for server in network.dns() {
            let _ = writeln!(text, "DNS={server}");
        }
    }
    if let Some(search) = profile.search {
        let _ = writeln!(text, "Domains={search}");
    }
    text
}

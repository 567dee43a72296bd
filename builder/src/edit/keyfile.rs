//! A NetworkManager keyfile for the wired network (Raspberry Pi OS bookworm and later).

use std::fmt::Write as _;

use crate::value::{DomainName, InterfaceName, MacAddress, StaticNetwork};

/// Where the file goes. NetworkManager ignores it unless it is root's and 0600.
pub const PATH: &str = "/etc/NetworkManager/system-connections/hcimage.nmconnection";

/// Permission bits that NetworkManager insists on.
pub const MODE: u16 = 0o600;

/// What the profile says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Profile<'a> {
    /// The fixed address; none is DHCP.
    pub network: Option<&'a StaticNetwork>,
    /// The interface by its name.
    pub interface: Option<&'a InterfaceName>,
    /// The interface by its hardware address.
    pub mac: Option<&'a MacAddress>,
    /// Where names without a dot are looked up.
    pub search: Option<&'a DomainName>,
}

/// How long NetworkManager asks whether somebody has the address already, in milliseconds. Its own default is not to ask
/// at all in the releases that Debian 11 and 12 have; firstboot's own profile has the same.
const DAD_TIMEOUT: u32 = 1000;

/// The profile. Without an interface it is for the first wired one.
///
/// Matching by type is the default because one board's Ethernet is `eth0` or `end0` depending on the base. The priority
/// lets it win over the profile that NetworkManager makes up for each wired interface. There is no `uuid`: the service
/// derives one from the file's path, the same at each boot. Without a gateway, `never-default` says that no default
/// route is meant to come from this profile.
pub fn render(profile: &Profile<'_>) -> String {
    let mut text = String::from(
        "# Written by hcimage.\n[connection]\nid=hcimage\ntype=ethernet\nautoconnect-priority=100\n",
    );
    if let Some(interface) = profile.interface {
        // Writing into a String cannot fail; the same holds below.
        let _ = writeln!(text, "interface-name={interface}");
    }
    text.push_str("\n[ethernet]\n");
    if let Some(mac) = profile.mac {
        let _ = writeln!(text, "mac-address={mac}");
    }
    for (section, v4) in [("ipv4", true), ("ipv6", false)] {
        let _ = write!(text, "\n[{section}]\n{}", family(profile.network, v4));
        if let Some(search) = profile.search {
            let _ = writeln!(text, "dns-search={search};");
        }
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
    if v4 && address.ip().is_ipv4() {
        let _ = writeln!(text, "dad-timeout={DAD_TIMEOUT}");
    }
    let servers = network.dns().iter().filter(|server| server.is_ipv4() == v4);
    let servers: String = servers.map(|server| format!("{server};")).collect();
    if !servers.is_empty() {
        let _ = writeln!(text, "dns={servers}");
    }
    text
}

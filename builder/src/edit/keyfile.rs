//! A NetworkManager keyfile (Raspberry Pi OS bookworm and later). With a wireless network its text is secret.

use std::fmt::Write as _;

use super::profile::{Profile, Wifi};
use crate::value::StaticNetwork;

/// Where the file goes. NetworkManager ignores it unless it is root's and 0600.
pub const PATH: &str = "/etc/NetworkManager/system-connections/hcimage.nmconnection";

/// Permission bits that NetworkManager insists on.
pub const MODE: u16 = 0o600;

/// How long NetworkManager asks whether somebody has the address already, in milliseconds. Its own default is not to ask
/// at all in the releases that Debian 11 and 12 have; firstboot's own profile has the same.
const DAD_TIMEOUT: u32 = 1000;

/// The profile. Without an interface it is for the first wired one, or the first wireless one.
///
/// Matching by type is the default because one board's Ethernet is `eth0` or `end0` depending on the base. The priority
/// lets it win over the profile that NetworkManager makes up for each wired interface. There is no `uuid`: the service
/// derives one from the file's path, the same at each boot. Without a gateway, `never-default` says that no default
/// route is meant to come from this profile.
pub fn render(profile: &Profile<'_>) -> String {
    let kind = if profile.wifi.is_some() { "wifi" } else { "ethernet" };
    let mut text =
        format!("# Written by hcimage.\n[connection]\nid=hcimage\ntype={kind}\nautoconnect-priority=100\n");
    if let Some(interface) = profile.interface {
        // Writing into a String cannot fail; the same holds below.
        let _ = writeln!(text, "interface-name={interface}");
    }
    let _ = writeln!(text, "\n[{kind}]");
    if let Some(mac) = profile.mac {
        let _ = writeln!(text, "mac-address={mac}");
    }
    if let Some(wifi) = &profile.wifi {
        text.push_str(&wireless(wifi));
    }
    for (section, v4) in [("ipv4", true), ("ipv6", false)] {
        let _ = write!(text, "\n[{section}]\n{}", family(profile.network, v4));
        if let Some(search) = profile.search {
            let _ = writeln!(text, "dns-search={search};");
        }
    }
    text
}

/// The rest of `[wifi]`, and its password. As a list of bytes a name can have any character; in a password a backslash
/// begins an escape, and a blank at its begin would be cut off.
fn wireless(wifi: &Wifi<'_>) -> String {
    let ssid: String = wifi.ssid.as_str().bytes().map(|byte| format!("{byte};")).collect();
    let psk = wifi.psk.expose().replace('\\', "\\\\").replace(' ', "\\s");
    let hidden = if wifi.hidden { "hidden=true\n" } else { "" };
    format!("mode=infrastructure\nssid={ssid}\n{hidden}\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={psk}\n")
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

//! A NetworkManager keyfile (Raspberry Pi OS bookworm and later). With a wireless network its text is secret.

use std::fmt::Write as _;

use super::profile::{Profile, Wifi};
use crate::value::StaticNetwork;

/// Where the file goes. NetworkManager ignores it unless it is root's and 0600.
pub const PATH: &str = "/etc/NetworkManager/system-connections/hcimage.nmconnection";

/// Where the file for the port below a VLAN goes.
pub const PORT_PATH: &str = "/etc/NetworkManager/system-connections/hcimage-port.nmconnection";

/// The name of the profile for `nmcli`.
pub(super) const ID: &str = "hcimage";

/// NetworkManager's id of the profile of the port below a VLAN. No other machine sees it.
const PORT_UUID: &str = "7d0c3c0e-52a4-4c1b-9a39-6f1f4b8f3a10";

/// Permission bits that NetworkManager insists on.
pub const MODE: u16 = 0o600;

/// How long NetworkManager asks whether somebody has the address already, in milliseconds. Its own default is not to ask
/// at all in the releases that Debian 11 and 12 have.
const DAD_TIMEOUT: u32 = 1000;

/// The highest priority that there is (nm-settings(5), `autoconnect-priority`).
pub(super) const PRIORITY: u16 = 999;

/// The profile. Without an interface it is for the first wired one, or the first wireless one. With a VLAN it needs
/// [`render_port`] beside it.
///
/// Matching by type is the default because one board's Ethernet is `eth0` or `end0` depending on the base. The priority
/// lets it win over the profile that NetworkManager makes up for each wired interface, and over all that a base has. There is no `uuid`: the service
/// derives one from the file's path, the same at each boot. Without a gateway, `never-default` says that no default
/// route is meant to come from this profile.
pub fn render(profile: &Profile<'_>) -> String {
    let mut text = String::from("# Written by hcimage.\n[connection]\n");
    // Writing into a String cannot fail; the same holds below.
    let _ = writeln!(text, "id={ID}");
    text.push_str(&match (profile.vlan, &profile.wifi) {
        (Some(vlan), _) => format!(
            "type=vlan\nautoconnect-priority={PRIORITY}\ninterface-name={}\n\n[vlan]\nid={vlan}\nparent={PORT_UUID}\n{}",
            vlan.interface(),
            // NetworkManager takes the size of a VLAN's packets from there, too.
            profile.mtu.map(|mtu| format!("\n[ethernet]\nmtu={mtu}\n")).unwrap_or_default()
        ),
        (None, Some(wifi)) => hardware("wifi", profile) + &wireless(wifi),
        (None, None) => hardware("ethernet", profile),
    });
    for (section, v4) in [("ipv4", true), ("ipv6", false)] {
        let _ = write!(text, "\n[{section}]\n{}", family(profile, v4));
        if let Some(search) = profile.search {
            let _ = writeln!(text, "dns-search={search};");
        }
    }
    text
}

/// The profile of the port below a VLAN: it is up and has no address. By its `uuid` the VLAN's profile names it as its
/// parent, whatever the port is called.
pub fn render_port(profile: &Profile<'_>) -> String {
    let hardware = hardware("ethernet", profile);
    format!(
        "# Written by hcimage.\n[connection]\nid=hcimage-port\nuuid={PORT_UUID}\n{hardware}\n\
         [ipv4]\nmethod=disabled\n\n[ipv6]\nmethod=disabled\n"
    )
}

/// Which piece of hardware a profile is for: the end of `[connection]`, and the section of its kind.
fn hardware(kind: &str, profile: &Profile<'_>) -> String {
    let mut text = format!("type={kind}\nautoconnect-priority={PRIORITY}\n");
    if let Some(interface) = profile.interface {
        let _ = writeln!(text, "interface-name={interface}");
    }
    let _ = writeln!(text, "\n[{kind}]");
    if let Some(mac) = profile.mac {
        let _ = writeln!(text, "mac-address={mac}");
    }
    if let Some(mtu) = profile.mtu {
        let _ = writeln!(text, "mtu={mtu}");
    }
    text
}

/// The rest of `[wifi]`, and its password. As a list of bytes a name can have any character; in a password a backslash
/// begins an escape, and a blank at its begin would be cut off.
fn wireless(wifi: &Wifi<'_>) -> String {
    let ssid: String = wifi.ssid.as_str().bytes().map(|byte| format!("{byte};")).collect();
    let psk = wifi.psk.expose().replace('\\', "\\\\").replace(' ', "\\s");
    let hidden = if wifi.hidden { "hidden=true\n" } else { "" };
    let management = if wifi.wpa3 { "sae" } else { "wpa-psk" };
    format!("mode=infrastructure\nssid={ssid}\n{hidden}\n[wifi-security]\nkey-mgmt={management}\npsk={psk}\n")
}

/// The keys of one address family.
fn family(profile: &Profile<'_>, v4: bool) -> String {
    let network = profile.network.filter(|network| network.address().ip().is_ipv4() == v4);
    let mut text = match network.map(|network| (network.address(), network.gateway())) {
        None => "method=auto\n".to_owned(),
        Some((address, Some(gateway))) => format!("method=manual\naddress1={address},{gateway}\n"),
        Some((address, None)) => format!("method=manual\naddress1={address}\nnever-default=true\n"),
    };
    let more = profile.more_addresses.iter().filter(|address| address.ip().is_ipv4() == v4);
    for (number, address) in more.enumerate() {
        let number = number.saturating_add(if network.is_some() { 2 } else { 1 });
        let _ = writeln!(text, "address{number}={address}");
    }
    let routes = profile.routes.iter().filter(|route| route.via().is_ipv4() == v4);
    for (number, route) in routes.enumerate() {
        let _ = writeln!(text, "route{}={},{}", number.saturating_add(1), route.to(), route.via());
    }
    if v4 && network.is_some() {
        let _ = writeln!(text, "dad-timeout={DAD_TIMEOUT}");
    }
    let servers = profile.network.map(StaticNetwork::dns).unwrap_or_default();
    let servers = servers.iter().filter(|server| server.is_ipv4() == v4);
    let servers: String = servers.map(|server| format!("{server};")).collect();
    if !servers.is_empty() {
        let _ = writeln!(text, "dns={servers}");
    }
    text
}

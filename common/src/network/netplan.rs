//! A file of netplan (netplan-yaml(5)), as it makes files for systemd-networkd of it.

use std::fmt::Write as _;

use super::backend::{ADDRESS, Backend, Capabilities, Render, Site, UnsupportedProfile, write};
use super::profile::{ETHERNET, Profile};
use crate::text::yaml::quoted;

/// Where the file goes: behind `50-cloud-init.yaml`, since of two settings the later one holds.
pub const PATH: &str = "/etc/netplan/99-hcimage.yaml";

/// Permission bits that netplan asks for: such files may hold passwords.
pub const MODE: u16 = 0o600;

/// Names the file that netplan makes of it, `10-netplan-00-hcimage.network`. It sorts before those of the base's own
/// interfaces: of two that match the same one, systemd-networkd takes the first.
const ID: &str = "00-hcimage";

/// The name that the kernel gives the only radio of a board.
const WIRELESS: &str = "wlan0";

/// The file. Without an interface it is for all that are wired, or for the radio `wlan0`: a wireless one netplan knows
/// by its name only, so that the hardware address does not count there.
pub fn render(profile: &Profile<'_>) -> String {
    let mut text = String::from("# Written by hcimage.\nnetwork:\n  version: 2\n");
    text.push_str(&selected(profile));
    let v4 = profile.network.map(|network| network.address().ip().is_ipv4());
    // Writing into a String cannot fail; the same holds below.
    let _ = writeln!(text, "      dhcp4: {}\n      dhcp6: {}", v4 != Some(true), v4.is_none());
    if let Some(network) = profile.network {
        let _ = writeln!(text, "      addresses:\n        - {}", quoted(&network.address().to_string()));
        if let Some(gateway) = network.gateway() {
            // `default` would do in newer releases only.
            let to = if gateway.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
            let _ = writeln!(text, "      routes:\n        - to: {}", quoted(to));
            let _ = writeln!(text, "          via: {}", quoted(&gateway.to_string()));
        }
    }
    names(&mut text, profile);
    if let Some(wifi) = profile.wifi {
        let _ = writeln!(text, "      access-points:\n        {}:", quoted(wifi.ssid.as_str()));
        if wifi.hidden {
            text.push_str("          hidden: true\n");
        }
        // Not the password itself: netplan hands it on to wpa_supplicant, see there.
        let _ = writeln!(text, "          password: {}", quoted(wifi.psk.key(wifi.ssid).expose()));
    }
    text
}

/// The kind of the interface, and which one it is. Below a VLAN the port has no address, and none is waited for.
fn selected(profile: &Profile<'_>) -> String {
    let port = hardware(profile);
    match profile.vlan {
        None => port,
        Some(vlan) => format!(
            "{port}      dhcp4: false\n      dhcp6: false\n      accept-ra: false\n      link-local: []\n      \
             optional: true\n  vlans:\n    {}:\n      id: {vlan}\n      link: {ID}\n",
            vlan.interface()
        ),
    }
}

fn hardware(profile: &Profile<'_>) -> String {
    let name = profile.interface.map(|name| name.as_str());
    if profile.wifi.is_some() {
        return format!("  wifis:\n    {}:\n", quoted(name.unwrap_or(WIRELESS)));
    }
    let (key, value) = match profile.mac {
        Some(mac) => ("macaddress", mac.to_string()),
        None => ("name", name.unwrap_or(ETHERNET).to_owned()),
    };
    format!("  ethernets:\n    {ID}:\n      match:\n        {key}: {}\n", quoted(&value))
}

/// Name servers and the search domain.
fn names(text: &mut String, profile: &Profile<'_>) {
    let servers = profile.network.map(|network| network.dns()).unwrap_or_default();
    if servers.is_empty() && profile.search.is_none() {
        return;
    }
    text.push_str("      nameservers:\n");
    for (key, values) in [
        ("addresses", servers.iter().map(ToString::to_string).collect::<Vec<_>>()),
        ("search", profile.search.iter().map(ToString::to_string).collect()),
    ] {
        if !values.is_empty() {
            let _ = writeln!(text, "        {key}:");
        }
        for value in values {
            let _ = writeln!(text, "          - {}", quoted(&value));
        }
    }
}

pub(super) struct Netplan;

impl Backend for Netplan {
    fn name(&self) -> &'static str {
        "netplan"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { vlan: true, wifi: true, pi_only: false, resolver: false, reload: false }
    }

    fn render(&self, profile: &Profile<'_>, _site: &Site<'_>) -> Result<Vec<Render>, UnsupportedProfile> {
        if let (Some(mac), Some(_)) = (profile.mac, &profile.wifi) {
            return Err(UnsupportedProfile::new(
                format!("choosing the radio by its MAC address {mac} on an image with netplan"),
                "leave `mac` out and name the `interface`, such as wlan0",
            ));
        }
        Ok(vec![write(PATH, MODE, render(profile), ADDRESS)])
    }
}

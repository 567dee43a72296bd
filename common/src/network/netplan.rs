//! A file of netplan (netplan-yaml(5)), as it makes files for systemd-networkd of it.

use std::fmt::Write as _;

use super::at_boot::{AtBoot, Setting};
use super::backend::{
    ADDRESS, Backend, Capabilities, Render, RenderError, Site, UnsupportedProfile, command, write,
};
use super::files::FileError;
use super::netplan_files::{self, Definition};
use super::networkd;
use super::networkd_files;
use super::port::Port;
use super::profile::{ETHERNET, Profile};
use super::wait_online;
use crate::text::yaml::quoted;
use crate::value::StaticNetwork;

/// Where the file goes: behind `50-cloud-init.yaml`, since of two settings the later one holds.
pub const PATH: &str = "/etc/netplan/99-hcimage.yaml";

/// Permission bits that netplan asks for: such files may hold passwords.
pub const MODE: u16 = 0o600;

/// Names the file that netplan makes of it, `10-netplan-00-hcimage.network`. It sorts before those of the base's own
/// interfaces: of two that match the same one, systemd-networkd takes the first.
const ID: &str = "00-hcimage";

/// Stronger than the `renderer` for all definitions, which any file may set.
const RENDERER: &str = "      renderer: networkd\n";

/// The name that the kernel gives the only radio of a board.
const WIRELESS: &str = "wlan0";

/// The file. Without an interface it is for all that are wired, or for the radio `wlan0`: a wireless one netplan knows
/// by its name only, so that the hardware address does not count there.
pub fn render(profile: &Profile<'_>) -> String {
    let mut text = String::from("# Written by hcimage.\nnetwork:\n  version: 2\n");
    text.push_str(&selected(profile));
    // The boot does not wait for it, see `wait_online`.
    text.push_str("      optional: true\n");
    let v4 = profile.network.map(|network| network.address().ip().is_ipv4());
    // Writing into a String cannot fail; the same holds below.
    let _ = writeln!(text, "      dhcp4: {}\n      dhcp6: {}", v4 != Some(true), v4.is_none());
    if let Some(mtu) = profile.mtu {
        let _ = writeln!(text, "      mtu: {mtu}");
    }
    addresses(&mut text, profile);
    names(&mut text, profile);
    if let Some(wifi) = profile.wifi {
        let _ = writeln!(text, "      access-points:\n        {}:", quoted(wifi.ssid.as_str()));
        if wifi.hidden {
            text.push_str("          hidden: true\n");
        }
        if wifi.wpa3 {
            // WPA3 has no key that could be made of the password alone.
            let password = quoted(wifi.psk.expose());
            let _ = writeln!(text, "          auth:\n            key-management: sae");
            let _ = writeln!(text, "            password: {password}");
        } else {
            // Not the password itself: netplan hands it on to wpa_supplicant, see there.
            let _ = writeln!(text, "          password: {}", quoted(wifi.psk.key(wifi.ssid).expose()));
        }
    }
    text
}

/// The kind of the interface, and which one it is. Below a VLAN the port has no address, and none is waited for.
fn selected(profile: &Profile<'_>) -> String {
    let port = hardware(profile);
    let mtu = profile.mtu.map(|mtu| format!("      mtu: {mtu}\n")).unwrap_or_default();
    match profile.vlan {
        None => port,
        Some(vlan) => format!(
            "{port}{mtu}      dhcp4: false\n      dhcp6: false\n      accept-ra: false\n      link-local: []\n      \
             optional: true\n  vlans:\n    {}:\n{RENDERER}      id: {vlan}\n      link: {ID}\n",
            vlan.interface()
        ),
    }
}

fn hardware(profile: &Profile<'_>) -> String {
    let name = profile.interface.map(|name| name.as_str());
    if profile.wifi.is_some() {
        return format!("  wifis:\n    {}:\n{RENDERER}", quoted(name.unwrap_or(WIRELESS)));
    }
    let (key, value) = match profile.mac {
        Some(mac) => ("macaddress", mac.to_string()),
        None => ("name", name.unwrap_or(ETHERNET).to_owned()),
    };
    format!("  ethernets:\n    {ID}:\n{RENDERER}      match:\n        {key}: {}\n", quoted(&value))
}

/// Addresses, the default route and the others.
fn addresses(text: &mut String, profile: &Profile<'_>) {
    let first = profile.network.map(StaticNetwork::address);
    let gateway = profile.network.and_then(StaticNetwork::gateway);
    // `default` would do in newer releases only.
    let default = gateway.map(|via| (if via.is_ipv4() { "0.0.0.0/0" } else { "::/0" }.to_owned(), via));
    let routes = profile.routes.iter().map(|route| (route.to().to_string(), route.via()));
    let mut heading = "      addresses:\n";
    for address in first.iter().chain(profile.more_addresses) {
        let _ = writeln!(text, "{heading}        - {}", quoted(&address.to_string()));
        heading = "";
    }
    heading = "      routes:\n";
    for (to, via) in default.into_iter().chain(routes) {
        let _ = writeln!(text, "{heading}        - to: {}", quoted(&to));
        let _ = writeln!(text, "          via: {}", quoted(&via.to_string()));
        heading = "";
    }
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
        Capabilities { vlan: true, wifi: true, pi_only: false, resolver: false }
    }

    fn reads_dirs(&self) -> &'static [&'static str] {
        const DIRS: [&str; 7] = {
            let [run, etc, lib] = netplan_files::DIRS;
            let [net_etc, net_run, net_local, net_lib] = networkd_files::DIRS;
            [run, etc, lib, net_etc, net_run, net_local, net_lib]
        };
        &DIRS
    }

    fn render(&self, profile: &Profile<'_>, _site: &Site<'_>) -> Result<Vec<Render>, RenderError> {
        if let (Some(mac), Some(_)) = (profile.mac, &profile.wifi) {
            return Err(RenderError::Unsupported(UnsupportedProfile::new(
                format!("choosing the radio by its MAC address {mac} on an image with netplan"),
                "leave `mac` out and name the `interface`, such as wlan0",
            )));
        }
        let address = write(PATH, MODE, render(profile), ADDRESS);
        Ok(vec![address, wait_online::drop_in(wait_online::SECONDS_OPTIONAL)])
    }

    fn at_boot(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<AtBoot, FileError> {
        let definitions = netplan_files::read(site.files)?;
        let by_networkd = networkd::by_default(profile, site)?;
        let definitions = match definitions {
            Ok(definitions) => definitions,
            Err(setting) => return Ok(AtBoot::Otherwise(setting)),
        };
        if profile.is_default() {
            let sets_up = definitions.iter().any(Definition::sets_up_ethernet);
            return Ok(if sets_up { AtBoot::AsWanted } else { by_networkd });
        }
        let port = Port::new(profile, site);
        if let Some(setting) = stronger(&definitions, profile, &port) {
            return Ok(AtBoot::Otherwise(setting));
        }
        let vlan = profile.vlan.map(|vlan| vlan.interface());
        let id = if profile.wifi.is_some() { radio(profile) } else { ID };
        let own = [(id, &port)].into_iter();
        let above = vlan.as_ref().map(|name| (name.as_str(), Port::named(name)));
        for (id, port) in own.chain(above.as_ref().map(|(id, port)| (*id, port))) {
            if let Some(setting) = networkd::obstacle(&file_of(id), port, site.files)? {
                return Ok(AtBoot::Otherwise(setting));
            }
        }
        let is_there = definitions.iter().any(|one| one.path == PATH);
        Ok(if is_there { AtBoot::AsWanted } else { AtBoot::Nothing(None) })
    }

    fn reload(&self, _link: &str) -> Vec<Vec<String>> {
        vec![command(["netplan", "apply"])]
    }
}

/// The name of the file that netplan makes of a definition.
fn file_of(id: &str) -> String {
    format!("10-netplan-{id}.network")
}

fn radio<'a>(profile: &Profile<'a>) -> &'a str {
    profile.interface.map_or(WIRELESS, |name| name.as_str())
}

/// A definition of another file that changes ours, or whose file for systemd-networkd comes first.
fn stronger(definitions: &[Definition], profile: &Profile<'_>, port: &Port<'_>) -> Option<Setting> {
    let vlan = profile.vlan.map(|vlan| vlan.interface());
    for other in definitions.iter().filter(|other| other.path != PATH) {
        let place = format!("{}, {} {}", other.path, other.kind, other.id);
        let cure = "remove the definition from the file";
        let same_vlan = vlan.as_ref().is_some_and(|name| name.as_str() == other.id);
        let same_radio = profile.wifi.is_some() && other.kind == "wifis" && other.id == radio(profile);
        // Lists of several files are put together, and of other values the last one holds.
        let is_later = other.name() > PATH.rsplit('/').next().unwrap_or_default();
        if other.id == ID || same_vlan || same_radio && (is_later || other.has_addresses) {
            return Some(Setting::new(place, "netplan merges it with hcimage's definition", cure));
        }
        if let Some((name, true)) = other.new_name(port) {
            let cure = format!("set `interface = \"{name}\"` for the node, or remove `set-name`");
            return Some(Setting::new(place, format!("it renames {} to {name}", port.text()), cure));
        }
        let comes_first = file_of(&other.id) < file_of(ID);
        if other.kind == "ethernets" && comes_first && other.is_for(port) {
            let effect = format!("it is for {} and its name comes before hcimage's, {ID}", port.text());
            return Some(Setting::new(place, effect, cure));
        }
    }
    None
}

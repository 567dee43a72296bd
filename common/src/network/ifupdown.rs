//! ifupdown: Debian servers and Debian's older images. It knows interfaces by name only.

use super::at_boot::{AtBoot, Setting};
use super::backend::{Backend, Capabilities, Render, RenderError, Site, UnsupportedProfile, command, edit};
use super::files::FileError;
use super::interfaces::{self, Parts, Up};
use super::networkd_files;
use super::port::Port;
use super::profile::Profile;
use crate::value::InterfaceName;

pub(super) struct Ifupdown;

impl Backend for Ifupdown {
    fn name(&self) -> &'static str {
        "ifupdown"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { vlan: true, wifi: false, pi_only: false, resolver: false }
    }

    fn reads(&self) -> &'static [&'static str] {
        &[interfaces::PATH]
    }

    fn reads_dirs(&self) -> &'static [&'static str] {
        const DIRS: [&str; 5] = {
            let [etc, run, local, lib] = networkd_files::DIRS;
            [interfaces::DIR, etc, run, local, lib]
        };
        &DIRS
    }

    fn link(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<Option<InterfaceName>, RenderError> {
        if profile.vlan.is_none() {
            return Ok(profile.interface.cloned());
        }
        let parts = interfaces::read_all(site.files)?;
        Ok(interface_on(&port(&parts, profile, site)?, profile).map(Some)?)
    }

    fn render(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<Vec<Render>, RenderError> {
        if let Some(mac) = profile.mac {
            return Err(RenderError::Unsupported(UnsupportedProfile::new(
                format!("choosing the interface by its MAC address {mac} on an image with ifupdown"),
                "leave `mac` out and name the `interface`, such as eth0",
            )));
        }
        let parts = interfaces::read_all(site.files)?;
        let port = port(&parts, profile, site)?;
        let interface = interface_on(&port, profile)?;
        let brought_up = |interface| texts(&parts).find_map(|text| interfaces::brought_up(text, interface));
        // A VLAN comes up when its port does.
        let up = Up { already: brought_up(&interface).is_some(), by: brought_up(&port).unwrap_or_default() };
        let below = profile.vlan.map(|_| &port);
        let without = |text: &str| interfaces::without(&interfaces::without(text, &port), &interface);
        let mut renders = Vec::new();
        let (mut main, mut there) = (String::new(), None);
        for (path, text) in parts.files {
            if path == interfaces::PATH {
                main.clone_from(&text);
                there = Some(text);
            } else {
                let new = without(&text);
                renders.push(edit(&path, Some(text), new));
            }
        }
        let text = interfaces::edit(&main, &interface, below, profile, up);
        renders.push(edit(interfaces::PATH, there, text));
        Ok(renders)
    }

    fn at_boot(&self, profile: &Profile<'_>, site: &Site<'_>) -> Result<AtBoot, FileError> {
        let parts = interfaces::read_all(site.files)?;
        let port = Port::new(profile, site);
        let known = |name: &str| port.has_name(|own| own == name);
        let renamed = networkd_files::renamed(&port, known, site.files)?;
        if let Some(setting) = parts.unknown {
            return Ok(AtBoot::Otherwise(setting));
        }
        if profile.is_default() {
            return Ok(by_default(&parts));
        }
        if let Some(setting) = renamed {
            return Ok(AtBoot::Otherwise(setting));
        }
        let Ok(name) = self::port(&parts, profile, site) else { return Ok(AtBoot::Nothing(None)) };
        let Ok(interface) = interface_on(&name, profile) else { return Ok(AtBoot::Nothing(None)) };
        Ok(of(&interface, profile, &parts))
    }

    fn release(&self, link: &str) -> Vec<Vec<String>> {
        // Ends a DHCP client, which no new file would.
        vec![command(["ifdown", "--force", link])]
    }

    fn reload(&self, link: &str) -> Vec<Vec<String>> {
        let port = link.rsplit_once('.').map(|(port, _)| command(["ifup", port]));
        port.into_iter().chain([command(["ifup", "--force", link])]).collect()
    }
}

fn texts(parts: &Parts) -> impl Iterator<Item = &str> {
    // The further files come first: what brings an interface up is mostly in them.
    let (main, others) =
        parts.files.split_first().map_or((None, &[][..]), |(main, others)| (Some(main), others));
    others.iter().chain(main).map(|(_, text)| text.as_str())
}

/// What the files do with an interface.
fn of(interface: &InterfaceName, profile: &Profile<'_>, parts: &Parts) -> AtBoot {
    for (path, text) in &parts.files {
        let is_ours = |pattern: &str| crate::text::glob::matches(pattern, interface.as_str());
        if let Some(line) = interfaces::mapped(text, is_ours) {
            let effect = format!("a script chooses the settings of {interface}");
            return AtBoot::Otherwise(Setting::in_line(path, line, effect, "remove the stanza `mapping`"));
        }
    }
    let wanted = interfaces::wanted_words(interface, profile);
    for (path, text) in &parts.files {
        let found = interfaces::stanza_words(text, interface);
        if !found.is_empty() && found != wanted {
            let effect = format!("it gives {interface} other settings than hcimage's");
            let cure = format!("remove its stanza `iface {interface}`");
            return AtBoot::Otherwise(Setting::new(path.clone(), effect, cure));
        }
    }
    let is_there = texts(parts).any(|text| !interfaces::stanza_words(text, interface).is_empty());
    let comes_up = texts(parts).any(|text| interfaces::brought_up(text, interface).is_some());
    if is_there && comes_up { AtBoot::AsWanted } else { AtBoot::Nothing(None) }
}

/// Whether the base brings up any port.
fn by_default(parts: &Parts) -> AtBoot {
    let mut names = wired(parts).into_iter().filter_map(|name| name.parse::<InterfaceName>().ok());
    let comes_up =
        |name: &InterfaceName| texts(parts).any(|text| interfaces::brought_up(text, name).is_some());
    if names.any(|name| comes_up(&name)) { AtBoot::AsWanted } else { AtBoot::Nothing(None) }
}

/// The interfaces that the base itself sets up, without radios, and without VLANs above a port.
fn wired(parts: &Parts) -> Vec<&str> {
    let mut names: Vec<&str> = texts(parts).flat_map(interfaces::configured).collect();
    names.retain(|name| !name.starts_with("wl") && !name.contains('.'));
    names.sort_unstable();
    names.dedup();
    names
}

/// The port: the one that is named, the only one that the base sets up, or else the one that the board has.
fn port(parts: &Parts, profile: &Profile<'_>, site: &Site<'_>) -> Result<InterfaceName, UnsupportedProfile> {
    if let Some(name) = profile.interface {
        return Ok(name.clone());
    }
    let names = wired(parts);
    let only = match (names.as_slice(), site.default_port) {
        ([name], _) => name.parse().ok(),
        ([], Some(port)) => Some(port.clone()),
        _ => None,
    };
    only.ok_or_else(|| {
        let what = match names.as_slice() {
            [] => "an interface without a name, on an image whose ifupdown sets up none,".to_owned(),
            names => {
                let names = names.join(", ");
                format!("choosing among the interfaces that ifupdown sets up in the image ({names})")
            }
        };
        UnsupportedProfile::new(what, "name the node's `interface`")
    })
}

fn interface_on(port: &InterfaceName, profile: &Profile<'_>) -> Result<InterfaceName, UnsupportedProfile> {
    let Some(vlan) = profile.vlan else { return Ok(port.clone()) };
    vlan.interface_on(port).map_err(|_| {
        UnsupportedProfile::new(
            format!("VLAN {vlan} on the port {port}, whose names are longer than the kernel's together,"),
            "rename the port in the image (systemd.link(5)), or use an image with another network service",
        )
    })
}

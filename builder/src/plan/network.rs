//! The node's address and search domain, in the form that the image's own network service reads.

use crate::cluster::{Addressing, Link};
use crate::formats::profile::{Profile, Wifi};
use crate::formats::{dhcpcd_conf, interfaces, keyfile, netplan, networkd, resolv_conf, wpa_supplicant};
use crate::os::{Bootloader, FileState, Interest, NetworkStack};
use crate::value::{InterfaceName, Secret, StaticNetwork};

use super::builder::{PlanBuilder, at};
use super::edit::Content;
use super::error::PlanError;
use super::ifupdown;
use super::request::Request;

pub(super) const REASON: &str = "the node's address";
const PORT_REASON: &str = "the VLAN and the port below it";

/// What the kernel of a Raspberry Pi calls its own interfaces, wired and wireless.
const PI_WIRED: &str = "eth0";
pub(super) const PI_WIRELESS: &str = "wlan0";

pub(super) const READS: [Interest; 4] = [
    Interest::Path(dhcpcd_conf::PATH),
    Interest::Path(interfaces::PATH),
    Interest::Dir(interfaces::DIR),
    Interest::Path(resolv_conf::PATH),
];

/// Where all is as the base has it, DHCP on any wired interface, the base's files stay as they are.
pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    if !is_ours(request) {
        return Ok(());
    }
    let profile = profile(request);
    if let Link::Wifi(_) = &request.node.network.link {
        named_radio(builder, &profile)?;
    }
    match builder.facts.network.as_slice() {
        [NetworkStack::Dhcpcd] => dhcpcd(builder, &profile, request),
        [NetworkStack::NetworkManager] => {
            if profile.vlan.is_some() {
                builder.text(keyfile::PORT_PATH, keyfile::MODE, keyfile::render_port(&profile), PORT_REASON);
            }
            write(builder, keyfile::PATH, keyfile::MODE, keyfile::render(&profile), &profile);
            Ok(())
        }
        [NetworkStack::Netplan] => {
            write(builder, netplan::PATH, netplan::MODE, netplan::render(&profile), &profile);
            names(builder, &profile)
        }
        [NetworkStack::Networkd] if profile.wifi.is_none() => {
            if let Some(vlan) = profile.vlan {
                builder.text(networkd::NETDEV_PATH, 0o644, networkd::render_netdev(vlan), PORT_REASON);
                builder.text(networkd::PORT_PATH, 0o644, networkd::render_port(&profile, vlan), PORT_REASON);
            }
            builder.text(networkd::PATH, 0o644, networkd::render(&profile), REASON);
            names(builder, &profile)
        }
        [NetworkStack::Ifupdown] if profile.wifi.is_none() => {
            ifupdown::edits(builder, &profile)?;
            names(builder, &profile)
        }
        found => Err(unsupported(found, &profile)),
    }
}

fn profile<'a>(request: &Request<'a>) -> Profile<'a> {
    let node = request.node;
    Profile {
        network: fixed(request),
        interface: node.network.interface.as_ref(),
        mac: node.mac.as_ref(),
        search: request.cluster.domain.as_ref(),
        vlan: node.network.vlan(),
        wifi: match &node.network.link {
            Link::Ethernet { .. } => None,
            Link::Wifi(wifi) => Some(Wifi { ssid: &wifi.ssid, psk: &wifi.psk, hidden: wifi.hidden }),
        },
    }
}

/// Whether anything is to be other than the base has it.
pub(super) fn is_ours(request: &Request<'_>) -> bool {
    let Profile { network, interface, mac, search, vlan, wifi } = profile(request);
    network.is_some()
        || interface.is_some()
        || mac.is_some()
        || search.is_some()
        || vlan.is_some()
        || wifi.is_some()
}

/// The interface that has the node's address, where its name is known: a VLAN's own, or the one that the user named.
pub(super) fn interface(
    builder: &PlanBuilder,
    request: &Request<'_>,
) -> Result<Option<InterfaceName>, PlanError> {
    let profile = profile(request);
    match (profile.vlan, builder.facts.network.as_slice()) {
        (Some(_), [NetworkStack::Ifupdown]) => ifupdown::interface(builder, &profile).map(Some),
        (Some(vlan), _) => Ok(Some(vlan.interface())),
        (None, _) => Ok(profile.interface.cloned()),
    }
}

/// The fixed address; none is DHCP.
pub(super) fn fixed<'a>(request: &Request<'a>) -> Option<&'a StaticNetwork> {
    match &request.node.network.addressing {
        Addressing::Static(network) => Some(network),
        Addressing::Dhcp => None,
    }
}

/// Firstboot looks for a fixed address on an interface that it knows by name, and netplan knows radios in no other way.
fn named_radio(builder: &PlanBuilder, profile: &Profile<'_>) -> Result<(), PlanError> {
    let on_pi = matches!(builder.facts.bootloader, Bootloader::PiFirmware { .. });
    let by_name = profile.network.is_some() || builder.facts.network == [NetworkStack::Netplan];
    if let (Some(mac), [NetworkStack::Netplan]) = (profile.mac, builder.facts.network.as_slice()) {
        return Err(PlanError::Unsupported {
            what: format!("choosing the radio by its MAC address {mac} on an image with netplan"),
            hint: "leave `mac` out and name the `interface`, such as wlan0".to_owned(),
        });
    }
    match by_name {
        true if profile.interface.is_none() && !on_pi => Err(PlanError::Unsupported {
            what: "a node on Wi-Fi with this image, whose radio must be known by its name,".to_owned(),
            hint: "name the node's `interface`, such as wlp2s0".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// A file of ours; never shown where it holds the password of a wireless network.
fn write(builder: &mut PlanBuilder, path: &str, mode: u16, text: String, profile: &Profile<'_>) {
    let content = match profile.wifi {
        Some(_) => Content::Secret(Secret::new(text)),
        None => Content::Bytes(text.into_bytes().into()),
    };
    builder.file(path, mode, content, REASON);
}

/// dhcpcd knows interfaces by name only. Raspberry Pi OS keeps the kernel's names.
fn dhcpcd(builder: &mut PlanBuilder, profile: &Profile<'_>, request: &Request<'_>) -> Result<(), PlanError> {
    let refused = || unsupported(&[NetworkStack::Dhcpcd], profile);
    if !matches!(builder.facts.bootloader, Bootloader::PiFirmware { .. }) {
        return Err(refused());
    }
    if let Some(vlan) = profile.vlan {
        return Err(PlanError::Unsupported {
            what: format!("VLAN {vlan} on an image with dhcpcd, which makes no interface for it,"),
            hint: "use an image with NetworkManager, such as Raspberry Pi OS bookworm or later, or give the port the \
                   VLAN without a tag at the switch and leave `vlan` out"
                .to_owned(),
        });
    }
    if let Some(mac) = profile.mac {
        return Err(PlanError::Unsupported {
            what: format!("choosing the interface by its MAC address {mac} on an image with dhcpcd"),
            hint: "leave `mac` out and name the `interface`, such as eth0".to_owned(),
        });
    }
    if let (Some(network), Link::Wifi(link)) = (&profile.wifi, &request.node.network.link) {
        let text = wpa_supplicant::render(network, &link.country);
        write(builder, wpa_supplicant::PATH, wpa_supplicant::MODE, text, profile);
    }
    let usual = if profile.wifi.is_some() { PI_WIRELESS } else { PI_WIRED };
    let usual = usual.parse().map_err(|_| refused())?;
    let interface = profile.interface.unwrap_or(&usual);
    builder.change(&at(dhcpcd_conf::PATH), REASON, |text| {
        dhcpcd_conf::edit(text, interface, profile.network, profile.search)
    })
}

/// Name servers and search domain, where no program carries them from the network service to the C library.
fn names(builder: &mut PlanBuilder, profile: &Profile<'_>) -> Result<(), PlanError> {
    let servers = profile.network.map(StaticNetwork::dns).unwrap_or_default();
    if builder.facts.resolver || (servers.is_empty() && profile.search.is_none()) {
        return Ok(());
    }
    let is_written = matches!(builder.base(resolv_conf::PATH)?, FileState::Link(_));
    if is_written || profile.network.is_none() {
        return Err(PlanError::Unsupported {
            what: format!(
                "a search domain or name servers on an image whose {} nobody we know writes",
                resolv_conf::PATH
            ),
            hint: "use an image with systemd-resolved or resolvconf, or leave `domain` and `dns` out"
                .to_owned(),
        });
    }
    builder.text(resolv_conf::PATH, 0o644, resolv_conf::render(servers, profile.search), REASON);
    Ok(())
}

fn unsupported(found: &[NetworkStack], profile: &Profile<'_>) -> PlanError {
    let several = found.len() > 1;
    let found = match found {
        [] => "no network service that is known".to_owned(),
        stacks => stacks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "),
    };
    let (what, stacks) = match (&profile.wifi, profile.vlan) {
        (None, Some(_)) => ("a VLAN", "NetworkManager, netplan, systemd-networkd, ifupdown"),
        (Some(_), _) => ("a node on Wi-Fi", "NetworkManager, netplan, or dhcpcd on a Raspberry Pi"),
        (None, None) => (
            "a static address, an interface or a search domain",
            "NetworkManager, netplan, systemd-networkd, ifupdown, or dhcpcd on a Raspberry Pi",
        ),
    };
    let which = if several { "exactly one of" } else { "one of" };
    PlanError::Unsupported {
        what: format!("{what} on an image with {found}"),
        hint: format!("use an image with {which} {stacks}, or leave the node on DHCP and on its cable"),
    }
}

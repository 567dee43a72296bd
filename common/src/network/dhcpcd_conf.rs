//! `/etc/dhcpcd.conf`: a static address for an interface (Raspberry Pi OS bullseye and older).

use std::net::IpAddr;

use super::backend::UnsupportedProfile;
use crate::text::Lines;
use crate::value::{DomainName, InterfaceName, StaticNetwork};

/// Where the file lies.
pub const PATH: &str = "/etc/dhcpcd.conf";

/// The settings that together are the address: those of an older one must not survive beside ours.
const KEYS: [&str; 5] = ["ip_address", "ip6_address", "routers", "domain_name_servers", "domain_search"];

/// Words that begin a block; it reaches to the next of them (dhcpcd.conf(5)).
const BLOCKS: [&str; 3] = ["interface", "profile", "ssid"];

/// Gives `interface` its static address, or leaves it DHCP, and its search domain, in the block that it has or in a new
/// one at the end. Other settings of the block stay.
///
/// Refused for an IPv6 gateway, which dhcpcd learns from router advertisements only.
pub fn edit(
    text: &str,
    interface: &InterfaceName,
    network: Option<&StaticNetwork>,
    search: Option<&DomainName>,
) -> Result<String, UnsupportedProfile> {
    let mut settings = network.map(settings).transpose()?.unwrap_or_default();
    settings.extend(search.map(|domain| format!("static domain_search={domain}")));
    let mut lines = Lines::parse(text);
    remove_settings(&mut lines, interface);
    let head = lines.bodies().position(|line| begins_block_of(line, interface));
    let at = match head {
        Some(head) => head.saturating_add(1),
        None => begin_block(&mut lines, interface),
    };
    for setting in settings.into_iter().rev() {
        lines.insert(at, setting);
    }
    Ok(lines.render())
}

fn settings(network: &StaticNetwork) -> Result<Vec<String>, UnsupportedProfile> {
    let address = network.address();
    let key = if address.ip().is_ipv4() { "ip_address" } else { "ip6_address" };
    let mut settings = vec![format!("static {key}={address}")];
    match network.gateway() {
        Some(IpAddr::V4(gateway)) => settings.push(format!("static routers={gateway}")),
        Some(IpAddr::V6(gateway)) => {
            return Err(UnsupportedProfile::new(
                format!("the fixed IPv6 gateway {gateway} on an image with dhcpcd"),
                "use router advertisements, or IPv4",
            ));
        }
        None => {}
    }
    if !network.dns().is_empty() {
        let servers: Vec<String> = network.dns().iter().map(ToString::to_string).collect();
        settings.push(format!("static domain_name_servers={}", servers.join(" ")));
    }
    Ok(settings)
}

fn remove_settings(lines: &mut Lines, interface: &InterfaceName) {
    let mut inside = false;
    lines.retain(|_, line| {
        if begins_block(line) {
            inside = begins_block_of(line, interface);
        }
        !(inside && is_setting(line))
    });
}

/// Opens the block at the end, set off by an empty line, and tells where its settings go.
fn begin_block(lines: &mut Lines, interface: &InterfaceName) -> usize {
    if lines.bodies().last().is_some_and(|last| !last.trim().is_empty()) {
        lines.push("");
    }
    lines.push(format!("interface {interface}"));
    lines.len()
}

fn begins_block(line: &str) -> bool {
    line.split_ascii_whitespace().next().is_some_and(|word| BLOCKS.contains(&word))
}

fn begins_block_of(line: &str, interface: &InterfaceName) -> bool {
    let mut words = line.split_ascii_whitespace();
    words.next() == Some("interface") && words.next() == Some(interface.as_str())
}

fn is_setting(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let is_static = words.next() == Some("static");
    let key = words.next().and_then(|word| word.split('=').next());
    is_static && key.is_some_and(|key| KEYS.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_gateway_is_refused() {
        let network =
            StaticNetwork::new("fd00::10/64".parse().unwrap(), Some("fd00::1".parse().unwrap()), Vec::new())
                .unwrap();
        let error = edit("", &"eth0".parse().unwrap(), Some(&network), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the fixed IPv6 gateway fd00::1 on an image with dhcpcd is not supported: use router advertisements, or \
             IPv4"
        );
    }

    #[test]
    fn only_the_address_of_this_interface_is_replaced() {
        let network = StaticNetwork::new("10.0.0.2/8".parse().unwrap(), None, Vec::new()).unwrap();
        let text = "interface eth0\n static ip_address=1.2.3.4/24\nmetric 3\nstatic routers = 1.2.3.1\n\
                    interface eth1\nstatic routers=9.9.9.9\ninterface eth0\nstatic ip6_address=fd00::1/64\n";
        let want = "interface eth0\nstatic ip_address=10.0.0.2/8\nmetric 3\n\
                    interface eth1\nstatic routers=9.9.9.9\ninterface eth0\n";
        assert_eq!(edit(text, &"eth0".parse().unwrap(), Some(&network), None).unwrap(), want);
    }
}

//! `/etc/dhcpcd.conf`: a static address for an interface (Raspberry Pi OS bullseye and older).

use std::net::IpAddr;

use super::at_boot::{AtBoot, Setting};
use super::backend::UnsupportedProfile;
use crate::text::{Lines, glob};
use crate::value::{DomainName, InterfaceName, StaticNetwork};

/// Where the file lies.
pub const PATH: &str = "/etc/dhcpcd.conf";

/// The settings that together are the address: those of an older one must not survive beside ours.
const KEYS: [&str; 5] = ["ip_address", "ip6_address", "routers", "domain_name_servers", "domain_search"];

/// Words that begin a block; it reaches to the next of them (dhcpcd.conf(5)).
const BLOCKS: [&str; 3] = ["interface", "profile", "ssid"];

/// Switches in a block that keep its interface from getting an IPv4 address, from getting an IPv6 address, and from any
/// address or gateway.
const NO_V4: [&str; 2] = ["noipv4", "ipv6only"];
/// See [`NO_V4`].
const NO_V6: [&str; 2] = ["noipv6", "ipv4only"];
/// See [`NO_V4`].
const NO_ADDRESS: [&str; 5] = ["nogateway", "nodhcp", "inform", "inform6", "noconfigure"];

/// Gives `interface` its static address, or leaves it DHCP, and its search domain, in the block that it has or in a new
/// one at the end. What keeps dhcpcd from the interface is taken out. Other settings of the block stay.
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
    remove_settings(&mut lines, interface, network);
    allow(&mut lines, interface);
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

fn remove_settings(lines: &mut Lines, interface: &InterfaceName, network: Option<&StaticNetwork>) {
    let mut inside = false;
    lines.retain(|_, line| {
        if begins_block(line) {
            inside = begins_block_of(line, interface);
        }
        !(inside && (is_setting(line) || is_switch_against(line, network)))
    });
}

fn is_switch_against(line: &str, network: Option<&StaticNetwork>) -> bool {
    let Some(word) = line.split_ascii_whitespace().next() else { return false };
    let v4 = network.is_none_or(|network| network.address().ip().is_ipv4());
    NO_ADDRESS.contains(&word) || if v4 { NO_V4.contains(&word) } else { NO_V6.contains(&word) }
}

/// Takes the interface out of `denyinterfaces` and adds it to `allowinterfaces`, where the file has such lists.
fn allow(lines: &mut Lines, interface: &InterfaceName) {
    let name = interface.as_str();
    let end = lines.bodies().position(begins_block).unwrap_or(lines.len());
    let is_allowed = |line: &str| {
        list(line, "allowinterfaces").is_some_and(|names| names.iter().any(|n| glob::matches(n, name)))
    };
    let allowed = lines.bodies().take(end).any(is_allowed);
    let mut missing = !allowed;
    let mut emptied = Vec::new();
    for (number, line) in lines.bodies_mut().enumerate().take(end) {
        if let Some(names) = list(line, "denyinterfaces").filter(|names| names.contains(&name)) {
            let others: Vec<&str> = names.into_iter().filter(|other| *other != name).collect();
            if others.is_empty() {
                emptied.push(number);
            }
            *line = format!("denyinterfaces {}", others.join(" "));
        }
        if missing && list(line, "allowinterfaces").is_some() {
            *line = format!("{} {name}", line.trim_end());
            missing = false;
        }
    }
    lines.retain(|number, _| !emptied.contains(&number));
}

/// The patterns of names in a line with this key.
fn list<'a>(line: &'a str, key: &str) -> Option<Vec<&'a str>> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split_ascii_whitespace();
    (words.next() == Some(key)).then(|| words.collect())
}

/// What dhcpcd does with `interface`. With DHCP any address of the file is as wanted.
pub(super) fn at_boot(text: &str, interface: &InterfaceName, network: Option<&StaticNetwork>) -> AtBoot {
    let name = interface.as_str();
    let setting = |number: usize, effect: String, cure: &str| {
        Setting::in_line(PATH, number.saturating_add(1), effect, cure)
    };
    let denied = || format!("dhcpcd leaves {name} alone");
    let mut allowed: Option<(usize, bool)> = None;
    // Whether the lines hold for the interface, and whether they are for all of them.
    let (mut inside, mut global) = (true, true);
    let (mut found, mut own_block) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if begins_block(line) {
            let of = words.next().unwrap_or_default();
            global = false;
            // Newer releases take a pattern.
            inside = first == "interface" && glob::matches(of, name);
            own_block = inside && of == name;
            continue;
        }
        if global {
            if list(line, "denyinterfaces").is_some_and(|names| names.iter().any(|n| glob::matches(n, name)))
            {
                let cure = "take the pattern that fits the interface out of `denyinterfaces`";
                return AtBoot::Nothing(Some(setting(number, denied(), cure)));
            }
            if let Some(names) = list(line, "allowinterfaces") {
                let fits = names.iter().any(|n| glob::matches(n, name));
                let (first, before) = allowed.unwrap_or((number, false));
                allowed = Some((first, before || fits));
            }
        }
        if !inside {
            continue;
        }
        if is_switch_against(line, network) {
            let effect = format!("`{first}` keeps {name} from its address or gateway");
            return AtBoot::Otherwise(setting(number, effect, "remove the line"));
        }
        // Of two addresses the later one holds; ours are in a block of the interface's own.
        if is_setting(line) && !global {
            found.push((number, line.trim(), own_block));
        }
    }
    if let Some((number, false)) = allowed {
        let cure = "add the interface to `allowinterfaces`";
        return AtBoot::Nothing(Some(setting(number, denied(), cure)));
    }
    let Some(network) = network else { return AtBoot::AsWanted };
    let wanted = settings(network).unwrap_or_default();
    if !wanted.iter().all(|wanted| found.iter().any(|(_, line, _)| line == wanted)) {
        return AtBoot::Nothing(None);
    }
    for (number, line, own) in found {
        let is_wanted =
            wanted.iter().any(|wanted| wanted == line) || line.starts_with("static domain_search");
        if !own || !is_wanted {
            let effect = format!("it gives {name} another setting than hcimage's");
            return AtBoot::Otherwise(setting(number, effect, "remove the line"));
        }
    }
    AtBoot::AsWanted
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

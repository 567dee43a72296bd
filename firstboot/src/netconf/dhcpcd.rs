//! `/etc/dhcpcd.conf` (dhcpcd.conf(5)). dhcpcd itself probes for an address before it takes it.

use std::net::IpAddr;

use crate::seed::{Address, Network};

pub(super) const PATH: &str = "/etc/dhcpcd.conf";

/// The settings that together are the address: those of an older one must not survive beside ours.
const KEYS: [&str; 4] = ["ip_address", "ip6_address", "routers", "domain_name_servers"];

/// Words that begin a block; it reaches to the next of them.
const BLOCKS: [&str; 3] = ["interface", "profile", "ssid"];

/// Gives `link` its static address, in the block that it has or in a new one at the end. Other settings stay.
pub(super) fn edit(text: &str, link: &str, address: Address, network: &Network) -> String {
    let ours = |line: &str| line.split_ascii_whitespace().eq(["interface", link]);
    let mut lines: Vec<String> = Vec::new();
    let (mut inside, mut head) = (false, None);
    for line in text.lines() {
        if line.split_ascii_whitespace().next().is_some_and(|word| BLOCKS.contains(&word)) {
            inside = ours(line);
        }
        if !(inside && is_setting(line)) {
            lines.push(line.to_owned());
        }
        if inside && head.is_none() {
            head = Some(lines.len());
        }
    }
    let at = head.unwrap_or_else(|| {
        if lines.last().is_some_and(|last| !last.trim().is_empty()) {
            lines.push(String::new());
        }
        lines.push(format!("interface {link}"));
        lines.len()
    });
    lines.splice(at..at, settings(address, network));
    lines.join("\n") + "\n"
}

fn settings(address: Address, network: &Network) -> Vec<String> {
    let key = if address.ip().is_ipv4() { "ip_address" } else { "ip6_address" };
    let mut settings = vec![format!("static {key}={address}")];
    if let Some(IpAddr::V4(gateway)) = network.gateway {
        settings.push(format!("static routers={gateway}"));
    }
    if !network.dns.is_empty() {
        let servers: Vec<String> = network.dns.iter().map(ToString::to_string).collect();
        settings.push(format!("static domain_name_servers={}", servers.join(" ")));
    }
    settings
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
    fn only_the_address_of_this_interface_is_replaced_and_twice_is_once() {
        let network = Network {
            stack: None,
            interface: None,
            vlan: None,
            address: None,
            gateway: Some("10.0.0.1".parse().unwrap()),
            dns: vec!["10.0.0.1".parse().unwrap(), "1.1.1.1".parse().unwrap()],
            arp_probe: true,
            wait_seconds: 0,
        };
        let edited = |text: &str| edit(text, "eth0", "10.0.0.7/24".parse().unwrap(), &network);
        let ours = "static ip_address=10.0.0.7/24\nstatic routers=10.0.0.1\n\
                    static domain_name_servers=10.0.0.1 1.1.1.1\n";
        let table = [
            (String::new(), format!("interface eth0\n{ours}")),
            ("hostname\n".into(), format!("hostname\n\ninterface eth0\n{ours}")),
            (
                "interface eth0\n static ip_address=1.2.3.4/24\nmetric 3\nstatic routers = 1.2.3.1\n\
                 interface eth1\nstatic routers=9.9.9.9\n"
                    .into(),
                format!("interface eth0\n{ours}metric 3\ninterface eth1\nstatic routers=9.9.9.9\n"),
            ),
            ("#interface eth0\n".into(), format!("#interface eth0\n\ninterface eth0\n{ours}")),
        ];
        for (text, expected) in table {
            assert_eq!(edited(&text), expected, "{text:?}");
            assert_eq!(edited(&expected), expected);
        }
    }
}

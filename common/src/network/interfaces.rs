//! `/etc/network/interfaces` of ifupdown, and the files that it reads besides (interfaces(5)).

use super::profile::Profile;
use crate::text::Lines;
use crate::value::InterfaceName;

/// Where the main file lies.
pub const PATH: &str = "/etc/network/interfaces";
/// Where the others lie.
pub const DIR: &str = "/etc/network/interfaces.d";

/// Words that begin a stanza; one of `iface` reaches to the next of them.
const STANZAS: [&str; 11] = [
    "iface",
    "mapping",
    "auto",
    "allow-auto",
    "allow-hotplug",
    "allow-ovs",
    "no-auto-down",
    "no-scripts",
    "source",
    "source-directory",
    "template",
];

/// The interfaces that a file sets up, but for the loopback.
pub fn configured(text: &str) -> Vec<&str> {
    let name = |line| {
        let mut words = str::split_ascii_whitespace(line);
        (words.next() == Some("iface")).then(|| words.next()).flatten()
    };
    text.lines().filter_map(name).filter(|name| *name != "lo").collect()
}

/// When an interface comes up by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// When the network starts.
    #[default]
    Auto,
    /// When it shows itself: one on USB may be late.
    Hotplug,
}

/// What brings the interface up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Up {
    /// Some file does already.
    pub already: bool,
    /// When it is to come up, where none does.
    pub by: Start,
}

/// When some file brings the interface up by itself, if it does.
pub fn brought_up(text: &str, interface: &InterfaceName) -> Option<Start> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let start = match words.next()? {
            "auto" | "allow-auto" => Start::Auto,
            "allow-hotplug" => Start::Hotplug,
            _ => return None,
        };
        words.any(|word| word == interface.as_str()).then_some(start)
    })
}

/// Whether the main file reads the others.
pub fn reads_dir(main: &str) -> bool {
    main.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        let reads = matches!(words.next(), Some("source" | "source-directory"));
        reads && words.any(|path| path.trim_end_matches(['/', '*']).ends_with("interfaces.d"))
    })
}

/// The text without what it says of an interface's addresses: two stanzas for one interface would both hold.
pub fn without(text: &str, interface: &InterfaceName) -> String {
    let mut lines = Lines::parse(text);
    let stanzas = stanzas_of(&lines, interface);
    lines.retain(|number, _| !stanzas.contains(&number));
    lines.render()
}

/// The main file with the interface's stanza at its end. Where a file brings the interface up already, it does so at its
/// own time. A VLAN's interface is named after its `port`, by which ifupdown makes it; the port has no address then.
pub fn edit(
    text: &str,
    interface: &InterfaceName,
    port: Option<&InterfaceName>,
    profile: &Profile<'_>,
    up: Up,
) -> String {
    let mut lines = Lines::parse(text);
    let old: Vec<usize> =
        port.into_iter().chain([interface]).flat_map(|name| stanzas_of(&lines, name)).collect();
    if !up.already {
        let word = match up.by {
            Start::Auto => "auto",
            Start::Hotplug => "allow-hotplug",
        };
        lines.push(format!("{word} {interface}"));
    }
    let without_address = port.map(|port| format!("iface {port} inet manual"));
    for line in without_address.into_iter().chain(stanza(interface, profile)) {
        lines.push(line);
    }
    lines.retain(|number, _| !old.contains(&number));
    lines.render()
}

/// The lines of the interface's stanzas, counted from 0. Comments and empty lines are not among them: they may belong
/// to what follows.
fn stanzas_of(lines: &Lines, interface: &InterfaceName) -> Vec<usize> {
    let mut ours = false;
    let mut found = Vec::new();
    for (number, line) in lines.bodies().enumerate() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next();
        if first.is_some_and(|word| STANZAS.contains(&word)) {
            ours = first == Some("iface") && words.next() == Some(interface.as_str());
        }
        if ours && first.is_some_and(|word| !word.starts_with('#')) {
            found.push(number);
        }
    }
    found
}

fn stanza(interface: &InterfaceName, profile: &Profile<'_>) -> Vec<String> {
    let mut lines = match profile.network {
        None => vec![format!("iface {interface} inet dhcp")],
        Some(network) => {
            let family = if network.address().ip().is_ipv4() { "inet" } else { "inet6" };
            let mut lines = vec![format!("iface {interface} {family} static")];
            lines.push(format!("    address {}", network.address()));
            lines.extend(network.gateway().map(|gateway| format!("    gateway {gateway}")));
            let servers: Vec<String> = network.dns().iter().map(ToString::to_string).collect();
            if !servers.is_empty() {
                lines.push(format!("    dns-nameservers {}", servers.join(" ")));
            }
            lines
        }
    };
    lines.extend(profile.search.map(|search| format!("    dns-search {search}")));
    lines
}

//! `/etc/network/interfaces` of ifupdown, and the files that it reads besides (interfaces(5)).

use super::lines::Lines;
use super::profile::Profile;
use crate::value::InterfaceName;

/// Where the main file lies.
pub const PATH: &str = "/etc/network/interfaces";
/// Where the others lie.
pub const FOLDER: &str = "/etc/network/interfaces.d";

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

/// Whether some file brings the interface up by itself.
pub fn is_brought_up(text: &str, interface: &InterfaceName) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        let automatic = matches!(words.next(), Some("auto" | "allow-auto" | "allow-hotplug"));
        automatic && words.any(|word| word == interface.as_str())
    })
}

/// Whether the main file reads the others.
pub fn reads_folder(main: &str) -> bool {
    main.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        let reads = matches!(words.next(), Some("source" | "source-directory"));
        reads && words.any(|path| path.trim_end_matches(['/', '*']).ends_with("interfaces.d"))
    })
}

/// The text without what it says of the interface's addresses: two stanzas for one interface would both hold.
pub fn without(text: &str, interface: &InterfaceName) -> String {
    let mut lines = Lines::parse(text);
    let stanzas = stanzas_of(&lines, interface);
    lines.retain(|number, _| !stanzas.contains(&number));
    lines.render()
}

/// The main file with the interface's stanza at its end. `up` says that some file brings the interface up already,
/// at its own time: `allow-hotplug` waits for one on USB, `auto` does not.
pub fn edit(text: &str, interface: &InterfaceName, profile: &Profile<'_>, up: bool) -> String {
    let mut lines = Lines::parse(text);
    let old = stanzas_of(&lines, interface);
    if !up {
        lines.push(format!("auto {interface}"));
    }
    for line in stanza(interface, profile) {
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

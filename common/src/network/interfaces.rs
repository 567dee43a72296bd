//! `/etc/network/interfaces` of ifupdown, and the files that it reads besides (interfaces(5)).

use super::at_boot::Setting;
use super::files::{FileError, Files};
use super::profile::Profile;
use crate::text::{Lines, glob};
use crate::value::{InterfaceAddress, InterfaceName};

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

/// All files that ifupdown reads, the main one first.
#[derive(Debug, Default)]
pub struct Parts {
    /// Path and text.
    pub files: Vec<(String, String)>,
    /// The first line that names further files in a way that cannot be followed here.
    pub unknown: Option<Setting>,
}

/// More files than these are no configuration.
const MOST_FILES: usize = 256;

/// Reads the main file, if there is one, and all that it names with `source` and `source-directory`, and they in turn.
pub fn read_all(files: &dyn Files) -> Result<Parts, FileError> {
    let mut parts = Parts::default();
    let Some(text) = files.text(PATH)? else { return Ok(parts) };
    parts.files.push((PATH.to_owned(), text));
    let mut next = 0;
    while let Some((path, text)) = parts.files.get(next).cloned() {
        next = next.saturating_add(1);
        for (number, line) in text.lines().enumerate() {
            let mut words = line.split_ascii_whitespace();
            let is_dir = match words.next() {
                Some("source") => false,
                Some("source-directory") => true,
                _ => continue,
            };
            for word in words {
                let found = match named_by(word, is_dir, &path) {
                    Some((dir, pattern)) => matching(files, &dir, pattern.as_deref(), is_dir)?,
                    None => {
                        let setting = unknown_source(&path, number.saturating_add(1), word);
                        parts.unknown.get_or_insert(setting);
                        continue;
                    }
                };
                for file in found {
                    if parts.files.iter().all(|(known, _)| *known != file.0) && parts.files.len() < MOST_FILES
                    {
                        parts.files.push(file);
                    }
                }
            }
        }
    }
    Ok(parts)
}

fn unknown_source(path: &str, line: usize, word: &str) -> Setting {
    let effect = format!("{word:?} names further files in a way that hcimage cannot follow");
    Setting::in_line(
        path,
        line,
        effect,
        "name a directory, or files of one directory, such as /etc/network/interfaces.d/*",
    )
}

/// The directory that a word names, and the pattern of the files in it; or a file, without a pattern. A relative path
/// starts where the file lies that names it.
fn named_by(word: &str, is_dir: bool, from: &str) -> Option<(String, Option<String>)> {
    // The shell's words (wordexp(3)).
    if word.contains(['$', '~', '`', '"', '\'', '{', '\\']) || word.split('/').any(|part| part == "..") {
        return None;
    }
    let base = from.rsplit_once('/').map_or("", |(dir, _)| dir);
    let path = if word.starts_with('/') { word.to_owned() } else { format!("{base}/{word}") };
    let path = path.trim_end_matches('/');
    let (dir, name) = path.rsplit_once('/')?;
    match (glob::is_pattern(dir), glob::is_pattern(name), is_dir) {
        (true, ..) | (false, true, true) => None,
        (false, _, true) => Some((path.to_owned(), Some("*".to_owned()))),
        (false, true, false) => Some((dir.to_owned(), Some(name.to_owned()))),
        (false, false, false) => Some((path.to_owned(), None)),
    }
}

fn matching(
    files: &dyn Files,
    path: &str,
    pattern: Option<&str>,
    plain_names: bool,
) -> Result<Vec<(String, String)>, FileError> {
    let Some(pattern) = pattern else {
        return Ok(files.text(path)?.map(|text| (path.to_owned(), text)).into_iter().collect());
    };
    let mut found = files.dir(path, "")?;
    found.retain(|(path, _)| {
        let name = path.rsplit('/').next().unwrap_or_default();
        // As run-parts(8) takes names of files.
        let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        glob::matches(pattern, name) && !name.starts_with('.') && (is_plain || !plain_names)
    });
    Ok(found)
}

/// A line by which a script chooses the settings of one of these interfaces (interfaces(5), "MAPPINGS").
pub(super) fn mapped(text: &str, is_ours: impl Fn(&str) -> bool) -> Option<usize> {
    let mut lines = text.lines().enumerate();
    let found = lines.find(|(_, line)| {
        let mut words = line.split_ascii_whitespace();
        words.next() == Some("mapping") && words.any(&is_ours)
    });
    found.map(|(number, _)| number.saturating_add(1))
}

/// The stanzas of an interface, each line as its words.
pub(super) fn stanza_words(text: &str, interface: &InterfaceName) -> Vec<Vec<String>> {
    let lines = Lines::parse(text);
    let ours = stanzas_of(&lines, interface);
    let words = |line: &str| line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let bodies = lines.bodies().enumerate().filter(|(number, _)| ours.contains(number));
    bodies.map(|(_, line)| words(line)).filter(|words| !words.is_empty()).collect()
}

/// The lines that an interface's stanzas are to have, each as its words.
pub(super) fn wanted_words(interface: &InterfaceName, profile: &Profile<'_>) -> Vec<Vec<String>> {
    let words = |line: &String| line.split_ascii_whitespace().map(str::to_owned).collect();
    stanzas(interface, profile).iter().map(words).collect()
}

/// The text without what it says of an interface's addresses: two stanzas for one interface would both hold.
pub fn without(text: &str, interface: &InterfaceName) -> String {
    let mut lines = Lines::parse(text);
    let stanzas = stanzas_of(&lines, interface);
    lines.retain(|number, _| !stanzas.contains(&number));
    lines.render()
}

/// The main file with the interface's stanzas at its end. Where a file brings the interface up already, it does so at its
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
    let mut without_address: Vec<String> = Vec::new();
    if let Some(port) = port {
        without_address.push(format!("iface {port} inet manual"));
        without_address.extend(mtu(port, profile));
    }
    for line in without_address.into_iter().chain(stanzas(interface, profile)) {
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

/// One stanza for each address; they come up in this order, so the routes are in the last one.
fn stanzas(interface: &InterfaceName, profile: &Profile<'_>) -> Vec<String> {
    let fixed = |address: &InterfaceAddress| {
        let family = if address.ip().is_ipv4() { "inet" } else { "inet6" };
        vec![format!("iface {interface} {family} static"), format!("    address {address}")]
    };
    let mut lines = match profile.network {
        None => vec![format!("iface {interface} inet dhcp")],
        Some(network) => {
            let mut lines = fixed(&network.address());
            lines.extend(network.gateway().map(|gateway| format!("    gateway {gateway}")));
            let servers: Vec<String> = network.dns().iter().map(ToString::to_string).collect();
            if !servers.is_empty() {
                lines.push(format!("    dns-nameservers {}", servers.join(" ")));
            }
            lines
        }
    };
    lines.extend(profile.search.map(|search| format!("    dns-search {search}")));
    lines.extend(mtu(interface, profile));
    lines.extend(profile.more_addresses.iter().flat_map(fixed));
    // An address that is set anew may have lost its routes, or not.
    lines.extend(
        profile.routes.iter().map(|route| {
            format!("    up ip route replace {} via {} dev {interface}", route.to(), route.via())
        }),
    );
    lines
}

/// The key `mtu` is known to static addresses of IPv4 only.
fn mtu(interface: &InterfaceName, profile: &Profile<'_>) -> Option<String> {
    profile.mtu.map(|mtu| format!("    pre-up ip link set dev {interface} mtu {mtu}"))
}

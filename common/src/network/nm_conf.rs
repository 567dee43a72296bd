//! NetworkManager's own configuration (NetworkManager.conf(5)), as far as it decides which devices it manages.

use super::at_boot::Setting;
use super::files::{FileError, Files, by_name};
use super::port::Port;
use crate::text::{glob, ini};

/// The main file.
pub(super) const MAIN: &str = "/etc/NetworkManager/NetworkManager.conf";
/// Where further files are; of one name the first directory counts.
pub(super) const DIRS: [&str; 3] =
    ["/etc/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d"];

/// A key of the configuration.
#[derive(Debug)]
pub(super) struct Key {
    section: String,
    key: String,
    value: String,
    path: String,
    line: usize,
}

/// All keys, in the order in which they are read: those of `/usr/lib` and `/run` come before the main file.
#[derive(Debug)]
pub(super) struct Conf(Vec<Key>);

impl Conf {
    pub(super) fn read(files: &dyn Files) -> Result<Self, FileError> {
        let parts = by_name(files, &DIRS, ".conf")?;
        let (etc, system): (Vec<_>, Vec<_>) = parts
            .into_iter()
            .map(|(_, path, text)| (path, text))
            .partition(|(path, _)| path.starts_with("/etc/"));
        // By directory first: everything in /usr/lib, then everything in /run.
        let (run, lib): (Vec<_>, Vec<_>) =
            system.into_iter().partition(|(path, _)| path.starts_with("/run/"));
        let main = files.text(MAIN)?.map(|text| (MAIN.to_owned(), text));
        let mut keys = Vec::new();
        for (path, text) in lib.into_iter().chain(run).chain(main).chain(etc) {
            let entries = ini::entries(&text);
            let switch = entries.iter().find(|entry| entry.section == ".config" && entry.key == "enable");
            if switch.is_some_and(|entry| ini::is_false(&entry.value)) {
                continue;
            }
            keys.extend(entries.into_iter().map(|entry| Key {
                section: entry.section.to_owned(),
                key: entry.key.to_owned(),
                value: entry.value,
                path: path.clone(),
                line: entry.line,
            }));
        }
        Ok(Self(keys))
    }

    /// The key that holds: the last one.
    pub(super) fn last(&self, section: &str, key: &str) -> Option<&Key> {
        self.0.iter().rev().find(|one| one.section == section && one.key == key)
    }

    /// The devices of a list, and the key that names the last of them. `+=` adds to a list and `-=` takes away.
    fn list(&self, section: &str, key: &str) -> (Vec<&str>, Option<&Key>) {
        let mut specs: Vec<&str> = Vec::new();
        let mut source = None;
        for one in self.0.iter().filter(|one| one.section == section) {
            match one.key.strip_prefix(key).map(str::trim) {
                Some("") => specs = split(&one.value),
                Some("+") => specs.extend(split(&one.value)),
                Some("-") => specs.retain(|spec| !split(&one.value).contains(spec)),
                _ => continue,
            }
            source = Some(one);
        }
        (specs, source)
    }

    /// Whether a list of devices has the port, and the key that says so.
    pub(super) fn lists(&self, section: &str, key: &str, port: &Port<'_>) -> Option<&Key> {
        let (specs, source) = self.list(section, key);
        source.filter(|_| is_listed(&specs, port))
    }

    /// The setting by which NetworkManager leaves the port alone.
    pub(super) fn unmanaged(&self, port: &Port<'_>) -> Option<Setting> {
        if let Some(key) = self.lists("keyfile", "unmanaged-devices", port) {
            let effect = format!("NetworkManager does not manage {}", port.text());
            let cure = "take the port out of `unmanaged-devices`, or name another `interface` of the node";
            return Some(key.setting(effect, cure));
        }
        self.of_device(port)
    }

    /// The same by a section `[device…]`, which is for all devices or for those of its `match-device`.
    fn of_device(&self, port: &Port<'_>) -> Option<Setting> {
        let is_device = |key: &&Key| key.section.starts_with("device");
        for key in self.0.iter().filter(is_device) {
            let devices = self.last(&key.section, "match-device").map(|one| split(&one.value));
            if devices.is_some_and(|specs| !is_listed(&specs, port)) {
                continue;
            }
            let last = self.last(&key.section, &key.key).is_some_and(|last| std::ptr::eq(last, key));
            let (effect, cure) = match key.key.as_str() {
                "managed" if last && ini::is_false(&key.value) => (
                    format!("NetworkManager does not manage {}", port.text()),
                    format!("remove `managed` from the section [{}]", key.section),
                ),
                "allowed-connections" if last => (
                    format!("it restricts the profiles of {}", port.text()),
                    format!("remove `allowed-connections` from the section [{}]", key.section),
                ),
                _ => continue,
            };
            return Some(key.setting(effect, cure));
        }
        None
    }

    /// The setting by which interfaces that ifupdown's files name are not managed; NetworkManager's default where the
    /// plugin for those files is on.
    pub(super) fn leaves_ifupdown(&self) -> bool {
        let plugins = self.last("main", "plugins");
        let on = plugins.is_some_and(|key| split(&key.value).contains(&"ifupdown"));
        on && self.last("ifupdown", "managed").is_none_or(|key| !ini::is_true(&key.value))
    }
}

impl Key {
    pub(super) fn value(&self) -> &str {
        &self.value
    }

    pub(super) fn setting(&self, effect: impl Into<String>, cure: impl Into<String>) -> Setting {
        Setting::in_line(&self.path, self.line, effect, cure)
    }
}

fn split(list: &str) -> Vec<&str> {
    list.split([',', ';']).map(str::trim).filter(|spec| !spec.is_empty()).collect()
}

/// Whether a list of devices has the port (NetworkManager.conf(5), "Device List Format"). `except:` is stronger than
/// all others; a list with nothing else has all other devices.
fn is_listed(specs: &[&str], port: &Port<'_>) -> bool {
    let (mut some, mut only_exceptions) = (false, !specs.is_empty());
    for spec in specs.iter().filter(|spec| !spec.starts_with("except:")) {
        only_exceptions = false;
        some |= is_device(spec, port, port.maybe());
    }
    let mut excepted = specs.iter().filter_map(|spec| spec.strip_prefix("except:"));
    let is_excepted = excepted.any(|spec| is_device(spec, port, false));
    (some || only_exceptions) && !is_excepted
}

/// Drivers of interfaces that are no port.
const VIRTUAL: [&str; 8] = ["veth", "bridge", "tun", "dummy", "vxlan", "wireguard", "bonding", "macvlan"];

fn is_device(spec: &str, port: &Port<'_>, unknown: bool) -> bool {
    let (kind, value) = match spec.split_once(':') {
        // A hardware address has colons too.
        Some((kind, value)) if !kind.bytes().all(|b| b.is_ascii_hexdigit()) || kind.len() != 2 => {
            (kind, value)
        }
        _ => ("", spec),
    };
    match kind {
        "interface-name" => match value.strip_prefix('=') {
            Some(name) => port.has_name(|own| own == name),
            None => port.fits(value.trim_start_matches('~')),
        },
        "mac" if port.mac().is_none() => unknown && value.contains(':'),
        "mac" => port.has_mac(value),
        "type" => glob::matches(value, if port.is_wireless() { "wifi" } else { "ethernet" }),
        "" if value == "*" => true,
        "" => port.has_name(|own| own == value) || port.mac().is_some() && port.has_mac(value),
        // Which driver a port has is not known beforehand, but it is none of these.
        "driver" => unknown && !VIRTUAL.iter().any(|driver| glob::matches(value, driver)),
        _ => false,
    }
}

//! The definitions of netplan's files (netplan-yaml(5)), as far as they decide over a port.

use yaml_rust2::Yaml;

use super::at_boot::Setting;
use super::files::{FileError, Files, by_name};
use super::port::Port;
use crate::text::yaml_load;

/// Where the files are; of one name the first directory counts, and all are read in the order of their names.
pub(super) const DIRS: [&str; 3] = ["/run/netplan", "/etc/netplan", "/usr/lib/netplan"];

/// The kinds of definitions, as the keys below `network` are called.
const KINDS: [&str; 9] =
    ["ethernets", "wifis", "modems", "bridges", "bonds", "vlans", "tunnels", "vrfs", "dummy-devices"];

/// A definition of one interface, or of those that it matches.
pub(super) struct Definition {
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) id: String,
    /// Whether it has a list of addresses, routes or name servers.
    pub(super) has_addresses: bool,
    has_dhcp: bool,
    names: Vec<String>,
    mac: Option<String>,
    set_name: Option<String>,
}

/// All definitions; or the file that is no YAML, because of which netplan reads none.
pub(super) fn read(files: &dyn Files) -> Result<Result<Vec<Definition>, Setting>, FileError> {
    let mut found = Vec::new();
    for (_, path, text) in by_name(files, &DIRS, ".yaml")? {
        match definitions(&path, &text) {
            Some(more) => found.extend(more),
            None => {
                let effect = "it is not YAML as netplan reads it, so that netplan sets up nothing";
                return Ok(Err(Setting::new(path, effect, "fix or remove the file")));
            }
        }
    }
    Ok(Ok(found))
}

fn definitions(path: &str, text: &str) -> Option<Vec<Definition>> {
    let documents = yaml_load::load(text).ok()?;
    let mut found = Vec::new();
    for document in documents {
        let network = &document["network"];
        for kind in KINDS {
            let Some(table) = network[kind].as_hash() else { continue };
            for (id, body) in table {
                if let Some(id) = id.as_str() {
                    found.push(Definition::new(path, kind, id, body));
                }
            }
        }
    }
    Some(found)
}

impl Definition {
    fn new(path: &str, kind: &'static str, id: &str, body: &Yaml) -> Self {
        let is_on = |key: &str| match &body[key] {
            Yaml::Boolean(on) => *on,
            Yaml::String(word) => ["yes", "on", "y", "true"].contains(&word.to_ascii_lowercase().as_str()),
            _ => false,
        };
        let lists = ["addresses", "routes", "nameservers", "gateway4", "gateway6"];
        let matched = &body["match"];
        let names = match &matched["name"] {
            Yaml::String(name) => vec![name.clone()],
            Yaml::Array(names) => names.iter().filter_map(Yaml::as_str).map(str::to_owned).collect(),
            _ if matched.is_badvalue() => vec![id.to_owned()],
            _ => Vec::new(),
        };
        Self {
            path: path.to_owned(),
            kind,
            id: id.to_owned(),
            has_addresses: lists.iter().any(|key| !body[*key].is_badvalue()),
            has_dhcp: is_on("dhcp4") || is_on("dhcp6"),
            names,
            mac: matched["macaddress"].as_str().map(str::to_owned),
            set_name: body["set-name"].as_str().map(str::to_owned),
        }
    }

    /// The file's name.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it is for a port.
    pub(super) fn is_for(&self, port: &Port<'_>) -> bool {
        let by_name = self.names.is_empty() || self.names.iter().any(|name| port.fits(name));
        by_name && self.mac.as_ref().is_none_or(|mac| port.has_mac(mac))
    }

    /// The name that it gives a port, and whether that is another one than the port is known by.
    pub(super) fn new_name(&self, port: &Port<'_>) -> Option<(&str, bool)> {
        let name = self.set_name.as_deref()?;
        let surely = self.mac.as_ref().is_none_or(|mac| port.mac().is_some() && port.has_mac(mac));
        let is_other = port.is_named() && !port.has_name(|own| own == name);
        (surely && self.is_for(port)).then_some((name, is_other))
    }

    /// Whether it gives an Ethernet port an address, or uses one below another interface.
    pub(super) fn sets_up_ethernet(&self) -> bool {
        match self.kind {
            "ethernets" => self.has_dhcp || self.has_addresses,
            "bonds" | "bridges" | "vlans" => true,
            _ => false,
        }
    }
}

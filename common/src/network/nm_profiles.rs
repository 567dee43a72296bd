//! Profiles of NetworkManager (nm-settings-keyfile(5)), as far as they decide which one a port gets.

use super::files::{FileError, Files};
use super::keyfile;
use super::port::Port;
use crate::text::ini;
use crate::value::InterfaceName;

/// Where profiles are.
pub(super) const DIRS: [&str; 3] = [
    "/run/NetworkManager/system-connections",
    "/etc/NetworkManager/system-connections",
    "/usr/lib/NetworkManager/system-connections",
];

/// A profile.
pub(super) struct NmProfile {
    pub(super) path: String,
    keys: Vec<(String, String, String)>,
}

/// All profiles. Outside of `/etc` their names must end as the service's own do.
pub(super) fn read(files: &dyn Files) -> Result<Vec<NmProfile>, FileError> {
    let mut profiles = Vec::new();
    for dir in DIRS {
        let ending = if dir.starts_with("/etc/") { "" } else { ".nmconnection" };
        for (path, text) in files.dir(dir, ending)? {
            let name = path.rsplit('/').next().unwrap_or_default();
            if name.starts_with(['.', '#']) || name.ends_with('~') || name.ends_with(".nmmeta") {
                continue;
            }
            let keys = ini::entries(&text).into_iter();
            let keys = keys.map(|e| (section(e.section).to_owned(), e.key.to_owned(), e.value)).collect();
            profiles.push(NmProfile { path, keys });
        }
    }
    Ok(profiles)
}

/// Sections have a short name and an older long one.
fn section(name: &str) -> &str {
    match name {
        "802-3-ethernet" => "ethernet",
        "802-11-wireless" => "wifi",
        other => other,
    }
}

impl NmProfile {
    pub(super) fn is_ours(&self) -> bool {
        self.path == keyfile::PATH || self.path == keyfile::PORT_PATH
    }

    fn get(&self, section: &str, key: &str) -> Option<&str> {
        let mut keys = self.keys.iter().rev();
        keys.find(|(s, k, _)| s == section && k == key).map(|(.., value)| value.as_str())
    }

    /// The order among profiles for one device: the highest is tried first.
    pub(super) fn priority(&self) -> i64 {
        self.get("connection", "autoconnect-priority").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn starts_by_itself(&self) -> bool {
        !self.get("connection", "autoconnect").is_some_and(ini::is_false)
    }

    /// Whether it may be used for a port by itself.
    pub(super) fn is_for(&self, port: &Port<'_>) -> bool {
        let kind = if port.is_wireless() { "wifi" } else { "ethernet" };
        let own_kind = self.get("connection", "type").map(section);
        let name = self.get("connection", "interface-name").filter(|name| !name.is_empty());
        let mac = self.get(kind, "mac-address").filter(|mac| !mac.is_empty());
        self.starts_by_itself()
            && own_kind.is_none_or(|own| own == kind)
            && name.is_none_or(|name| port.fits(name))
            && mac.is_none_or(|mac| port.has_mac(mac))
    }

    /// Whether it makes the interface of a VLAN.
    pub(super) fn is_vlan(&self, name: &InterfaceName) -> bool {
        self.starts_by_itself()
            && self.get("connection", "type") == Some("vlan")
            && self.get("connection", "interface-name") == Some(name.as_str())
    }
}

//! The port of a node, as far as it is known before the machine starts.

use super::backend::Site;
use super::profile::{ETHERNET, Profile};
use crate::text::glob;
use crate::value::{InterfaceName, MacAddress};

/// Names that stand for all that an Ethernet port may have, by the kernel and by systemd.net-naming-scheme(7).
const WIRED: [&str; 6] = ["eth0", "end0", "eno1", "ens3", "enp3s0", "enx001122334455"];
/// The same for a radio.
const WIRELESS: [&str; 4] = ["wlan0", "wlp3s0", "wlo1", "wlx001122334455"];
/// The names of a Raspberry Pi's own Ethernet port.
const WIRED_PI: [&str; 2] = ["eth0", "end0"];

/// The port of a node, as far as it is known before the machine starts.
pub(super) struct Port<'a> {
    /// The names that it may have.
    names: Vec<&'a str>,
    mac: Option<&'a MacAddress>,
    is_named: bool,
    wireless: bool,
    /// Whether the port may have other names than these.
    has_any_name: bool,
    /// Whether something is wanted of this port. A setting counts then where it may be about this port; otherwise, for
    /// any port by DHCP, only where it is about every port.
    wanted: bool,
}

impl<'a> Port<'a> {
    pub(super) fn new(profile: &Profile<'a>, site: &Site<'a>) -> Self {
        let wireless = profile.wifi.is_some();
        let names = match (profile.interface, site.default_port) {
            (Some(name), _) => vec![name.as_str()],
            (None, Some(name)) if WIRED_PI.contains(&name.as_str()) && profile.mac.is_none() && !wireless => {
                WIRED_PI.to_vec()
            }
            (None, Some(name)) if wireless || profile.mac.is_none() => vec![name.as_str()],
            (None, _) if wireless => WIRELESS.to_vec(),
            (None, _) => WIRED.to_vec(),
        };
        Self {
            mac: profile.mac,
            is_named: profile.interface.is_some(),
            wireless,
            has_any_name: names.len() == WIRED.len(),
            names,
            wanted: !profile.is_default(),
        }
    }

    /// An interface that is known by its name alone, such as a VLAN's.
    pub(super) fn named(name: &'a InterfaceName) -> Self {
        Self {
            names: vec![name.as_str()],
            mac: None,
            is_named: true,
            wireless: false,
            has_any_name: false,
            wanted: true,
        }
    }

    /// The same port where any setting counts that may be about it.
    pub(super) fn perhaps(self) -> Self {
        Self { wanted: true, ..self }
    }

    /// Whether a setting that is about some names is about this port.
    pub(super) fn has_name(&self, fits: impl Fn(&str) -> bool) -> bool {
        // A Raspberry Pi has one port of its own, whichever of the names it has.
        match self.wanted || !self.has_any_name {
            true => self.names.iter().any(|name| fits(name)),
            false => self.names.iter().all(|name| fits(name)),
        }
    }

    /// Whether a setting that is about the interfaces of a pattern is about this port. Where the port's name is not
    /// known, it may be any name of a port.
    pub(super) fn fits(&self, pattern: &str) -> bool {
        let unknown = self.wanted && self.has_any_name;
        self.has_name(|name| glob::matches(pattern, name)) || unknown && glob::matches(ETHERNET, pattern)
    }

    /// Whether a setting that is about one hardware address is about this port.
    pub(super) fn has_mac(&self, text: &str) -> bool {
        match (text.parse::<MacAddress>(), self.mac) {
            (Ok(mac), Some(own)) => mac == *own,
            (Ok(_), None) => self.wanted,
            (Err(_), _) => false,
        }
    }

    /// Whether a condition that cannot be judged beforehand counts as met.
    pub(super) fn maybe(&self) -> bool {
        self.wanted
    }

    pub(super) fn mac(&self) -> Option<&MacAddress> {
        self.mac
    }

    pub(super) fn is_named(&self) -> bool {
        self.is_named
    }

    pub(super) fn is_wireless(&self) -> bool {
        self.wireless
    }

    /// The port in a message.
    pub(super) fn text(&self) -> String {
        match (self.names.as_slice(), self.mac, self.wireless) {
            ([name], ..) => (*name).to_owned(),
            (_, Some(mac), _) => format!("the port {mac}"),
            (_, None, true) => "the radio".to_owned(),
            (_, None, false) => "the Ethernet port".to_owned(),
        }
    }
}

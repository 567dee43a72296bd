//! The number of a VLAN.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use super::interface_name::InterfaceName;

/// The number of a VLAN (IEEE 802.1Q, 9.6: twelve bits, of which 0 means "no VLAN" and 4095 is reserved).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct VlanId(u16);

impl VlanId {
    /// The lowest number.
    pub const LEAST: u16 = 1;
    /// The highest number.
    pub const MOST: u16 = 4094;

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The name of its interface if the port is unknown or not needed: `vlan20`.
    pub fn interface(self) -> InterfaceName {
        #[expect(clippy::expect_used, reason = "four letters and at most four digits")]
        format!("vlan{self}").parse().expect("a valid interface name")
    }

    /// The name of its interface on a port, for ifupdown (interfaces(5), "VLAN INTERFACES"): `eth0.20`.
    ///
    /// Fails if the name is too long.
    pub fn interface_on(self, port: &InterfaceName) -> Result<InterfaceName, ValueError> {
        format!("{port}.{self}").parse()
    }

    /// The VLAN of an interface with a VLAN's name: `vlan20`, or `eth0.20`, which also gives its port.
    pub fn of_interface(name: &InterfaceName) -> Option<(Option<&str>, Self)> {
        let (port, number) = match name.as_str().rsplit_once('.') {
            Some((port, number)) => (Some(port), number),
            None => (None, name.as_str().strip_prefix("vlan")?),
        };
        let id = Self::try_from(number.parse::<u32>().ok()?).ok()?;
        Some((port, id))
    }
}

impl TryFrom<u32> for VlanId {
    type Error = ValueError;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        match u16::try_from(number) {
            Ok(id @ Self::LEAST..=Self::MOST) => Ok(Self(id)),
            _ => Err(ValueError::new(
                "VLAN",
                number,
                "is out of range",
                "use a number from 1 to 4094, as set on the switch",
            )),
        }
    }
}

impl From<VlanId> for u32 {
    fn from(id: VlanId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_of_a_vlan_is_recognized_by_its_name() {
        let of = |name: &str| {
            let name: InterfaceName = name.parse().unwrap();
            VlanId::of_interface(&name).map(|(port, id)| (port.map(str::to_owned), id.get()))
        };
        assert_eq!(of("eth0.20"), Some((Some("eth0".to_owned()), 20)));
        assert_eq!(of("vlan20"), Some((None, 20)));
        for other in ["eth0", "end0", "vlan", "vlanx", "eth0.lan", "eth0.4095", "enp1s0"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_number_in_range_gives_interface_names() {
        for number in [1, 20, 4094] {
            assert_eq!(VlanId::try_from(number).unwrap().get().to_string(), number.to_string());
        }
        for bad in [0, 4095, 65_537, u32::MAX] {
            let error = VlanId::try_from(bad).unwrap_err().to_string();
            assert!(error.contains("from 1 to 4094"), "{error}");
        }
        let vlan = VlanId::try_from(4094).unwrap();
        assert_eq!(vlan.interface().as_str(), "vlan4094");
        assert_eq!(vlan.interface_on(&"enp0s31f6".parse().unwrap()).unwrap().as_str(), "enp0s31f6.4094");
        assert!(vlan.interface_on(&"enx001122334455".parse().unwrap()).is_err());
    }
}

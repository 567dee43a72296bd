//! The largest packet of a link.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::ValueError;

/// The largest packet of a link in bytes, without its Ethernet header.
///
/// The least is what IPv6 needs (RFC 8200, 5), the most what ports with jumbo frames commonly take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Mtu(u16);

impl Mtu {
    /// The smallest one.
    pub const LEAST: u16 = 1280;
    /// The largest one.
    pub const MOST: u16 = 9216;
}

impl TryFrom<u32> for Mtu {
    type Error = ValueError;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        match u16::try_from(number) {
            Ok(bytes @ Self::LEAST..=Self::MOST) => Ok(Self(bytes)),
            _ => Err(ValueError::new(
                "MTU",
                number,
                "is out of range",
                "use a number of bytes from 1280 to 9216; the default of Ethernet is 1500",
            )),
        }
    }
}

impl From<Mtu> for u32 {
    fn from(mtu: Mtu) -> Self {
        mtu.0.into()
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_size_that_ipv6_and_ports_take_is_accepted() {
        for good in [1280, 1400, 1500, 9000, 9216] {
            assert_eq!(Mtu::try_from(good).unwrap().to_string(), good.to_string());
        }
        for bad in [0, 576, 1279, 9217, 65_536 + 1500, u32::MAX] {
            let error = Mtu::try_from(bad).unwrap_err().to_string();
            assert!(error.contains("from 1280 to 9216"), "{error}");
        }
    }
}

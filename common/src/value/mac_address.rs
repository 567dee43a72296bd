//! The MAC address of a network interface.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use crate::text_value;

/// An Ethernet address of one interface, in the kernel's format: `dc:a6:32:01:02:03`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// The six bytes in transmission order.
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for MacAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str| {
            let hint = "use the form on the board's label or in `ip link`, such as dc:a6:32:01:02:03";
            ValueError::new("MAC address", text, cause, hint)
        };
        let separator = if text.contains('-') { '-' } else { ':' };
        let byte = |part: &str| {
            let plain = part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
            if plain { u8::from_str_radix(part, 16).ok() } else { None }
        };
        let bytes: Option<Vec<u8>> = text.split(separator).map(byte).collect();
        let bytes: [u8; 6] = bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| refuse("is not six pairs of hex digits"))?;
        match bytes {
            [0, 0, 0, 0, 0, 0] => Err(refuse("means 'no address'")),
            // The lowest bit of the first byte marks a group (IEEE 802, section 8.2.2); broadcast is one.
            [first, ..] if first & 1 == 1 => Err(refuse("is a multicast address")),
            _ => Ok(Self(bytes)),
        }
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

text_value!(MacAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_one_interface_is_accepted() {
        for good in ["dc:a6:32:01:02:03", "DC:A6:32:01:02:03", "dc-a6-32-01-02-03"] {
            assert_eq!(good.parse::<MacAddress>().unwrap().to_string(), "dc:a6:32:01:02:03");
        }
        for (bad, want) in [
            ("", "six pairs"),
            ("dc:a6:32:01:02", "six pairs"),
            ("dc:a6:32:01:02:03:04", "six pairs"),
            ("dc:a6:32-01:02:03", "six pairs"),
            ("dc:a6:32:01:02:+3", "six pairs"),
            ("dca632010203", "six pairs"),
            ("00:00:00:00:00:00", "no address"),
            ("ff:ff:ff:ff:ff:ff", "multicast"),
            ("01:00:5e:00:00:01", "multicast"),
        ] {
            let error = bad.parse::<MacAddress>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }
}

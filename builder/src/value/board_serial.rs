//! The serial number of a board.

use std::fmt;
use std::str::FromStr;

use hc_common::value::ValueError;

/// A serial number from the device tree (`/proc/device-tree/serial-number`) or a PC's firmware (DMI), in lowercase: the
/// two write hex digits differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoardSerial(String);

const LONGEST: usize = 64;

impl BoardSerial {
    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BoardSerial {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str| {
            let hint = "use the output of `cat /proc/device-tree/serial-number`, such as 10000000a1b2c3d4";
            Err(ValueError::new("serial number", text, cause, hint))
        };
        if text.is_empty() || text.len() > LONGEST {
            return refuse("is not 1 to 64 characters long");
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return refuse("has an invalid character");
        }
        if text.bytes().all(|b| b == b'0') {
            return refuse("is the placeholder of boards without a number");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for BoardSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_real_serial_number_is_accepted_in_lowercase() {
        assert_eq!("10000000A1B2C3D4".parse::<BoardSerial>().unwrap().as_str(), "10000000a1b2c3d4");
        for bad in ["", "0000000000000000", "a b", "ä", &"1".repeat(65)] {
            assert!(bad.parse::<BoardSerial>().is_err(), "{bad}");
        }
    }
}

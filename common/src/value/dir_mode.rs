//! Permissions of a directory.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use crate::text_value;

/// Four octal digits: set-group-id and sticky are allowed, set-user-id has no meaning on a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DirMode(u16);

impl DirMode {
    /// The default.
    pub const DEFAULT: Self = Self(0o755);

    /// The permission bits.
    pub fn bits(self) -> u16 {
        self.0
    }
}

impl FromStr for DirMode {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let octal = text.len() == 4 && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
        match u16::from_str_radix(text, 8) {
            Ok(mode) if octal && mode <= 0o3777 => Ok(Self(mode)),
            _ => Err(ValueError::new(
                "directory mode",
                text,
                "is not four octal digits up to 3777",
                "use a mode such as 0755 or 2770",
            )),
        }
    }
}

impl fmt::Display for DirMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

text_value!(DirMode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_octal_digits_without_setuid_are_accepted() {
        for (good, bits) in [("0755", 0o755), ("2770", 0o2770), ("1777", 0o1777)] {
            let mode: DirMode = good.parse().unwrap();
            assert_eq!((mode.bits(), mode.to_string().as_str()), (bits, good));
        }
        for bad in ["", "755", "0o755", "4755", "0788", "+755"] {
            assert!(bad.parse::<DirMode>().is_err(), "{bad}");
        }
    }
}

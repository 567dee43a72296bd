//! A setting of a Raspberry Pi's firmware.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use hc_common::{text_value, value::ValueError};

/// A setting line of `config.txt`, such as `enable_uart=1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FirmwareSetting {
    key: String,
    value: String,
}

impl FirmwareSetting {
    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for FirmwareSetting {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '#' | '[' | ']'))
        };
        match text.split_once('=').filter(|(key, value)| plain(key) && plain(value)) {
            Some((key, value)) => Ok(Self { key: key.to_owned(), value: value.to_owned() }),
            None => {
                let hint = "use the form enable_uart=1";
                Err(ValueError::new(
                    "firmware setting",
                    text,
                    "is not a config.txt line with a key and a value",
                    hint,
                ))
            }
        }
    }
}

impl fmt::Display for FirmwareSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

text_value!(FirmwareSetting);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_and_a_value_are_a_setting() {
        assert_eq!(
            "dtparam=audio=on".parse::<FirmwareSetting>().map(|s| s.to_string()).as_deref(),
            Ok("dtparam=audio=on")
        );
        for bad in ["enable_uart", "=1", "a=", "a=b c", "[all]=1", "a=1\nb=2"] {
            assert!(bad.parse::<FirmwareSetting>().is_err(), "{bad:?}");
        }
    }
}

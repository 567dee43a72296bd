//! Names of systemd's units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use crate::text_value;

/// What may be enabled: `iscsid.service`, `nfs-client.target` (systemd.unit(5)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);

const KINDS: [&str; 5] = ["service", "socket", "timer", "path", "target"];

impl UnitName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UnitName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let refuse = |cause: &str, hint: &str| Err(ValueError::new("unit", text, cause, hint));
        let Some((name, _)) = text.rsplit_once('.').filter(|(_, kind)| KINDS.contains(kind)) else {
            return refuse(
                "has no ending that says what it is",
                "write the whole name, such as iscsid.service",
            );
        };
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if name.is_empty() || name.starts_with('-') || text.len() > 255 || !name.chars().all(is_allowed) {
            return refuse(
                "has an invalid name",
                "write a name that systemctl takes, such as iscsid.service",
            );
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(UnitName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_an_ending_and_is_no_option() {
        for good in ["iscsid.service", "a@b.service", "nfs-client.target", "x\\x2dy.socket"] {
            assert_eq!(good.parse::<UnitName>().unwrap().as_str(), good);
        }
        for bad in
            ["", "iscsid", ".service", "-a.service", "a b.service", "a/b.service", "a.mount", "ä.service"]
        {
            assert!(bad.parse::<UnitName>().is_err(), "{bad:?}");
        }
    }
}

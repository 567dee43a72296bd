//! The permissions of the kubeconfig that k3s writes on the node.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use hc_common::{text_value, value::ValueError};

/// `K3S_KUBECONFIG_MODE`: four octal digits from 0600 to 0777 that keep root's read and write permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KubeconfigMode(u16);

impl KubeconfigMode {
    /// The permission bits.
    pub fn bits(self) -> u16 {
        self.0
    }
}

impl FromStr for KubeconfigMode {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| Err(ValueError::new("kubeconfig mode", text, cause, hint));
        if text.len() != 4 || !text.bytes().all(|b| matches!(b, b'0'..=b'7')) {
            return refuse("is not four octal digits", "use a mode such as 0600 or 0644");
        }
        match u16::from_str_radix(text, 8) {
            Ok(mode) if mode > 0o777 => {
                refuse("has more than permission bits", "begin it with 0, such as 0644")
            }
            Ok(mode) if mode & 0o600 == 0o600 => Ok(Self(mode)),
            _ => refuse("removes root's read or write permission", "use at least 0600"),
        }
    }
}

impl fmt::Display for KubeconfigMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

text_value!(KubeconfigMode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_octal_digits_that_keep_root_s_access_are_accepted() {
        for (good, bits) in [("0600", 0o600), ("0644", 0o644), ("0777", 0o777)] {
            let mode: KubeconfigMode = good.parse().unwrap();
            assert_eq!((mode.bits(), mode.to_string().as_str()), (bits, good));
        }
        for (bad, want) in [
            ("", "not four octal"),
            ("644", "not four octal"),
            ("00644", "not four octal"),
            ("0o64", "not four octal"),
            ("0680", "not four octal"),
            ("rw-r", "not four octal"),
            ("4755", "more than permission bits"),
            ("0444", "root's read or write"),
            ("0000", "root's read or write"),
        ] {
            let error = bad.parse::<KubeconfigMode>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }
}

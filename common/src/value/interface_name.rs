//! The name of a network interface.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::ValueError;
use crate::text_value;

/// A network interface's name, such as `eth0`: what the kernel's `dev_valid_name` (net/core/dev.c) takes, less what
/// programs and file formats misread: `@` separates a name from its parent in `ip`, a leading `-` looks like an option,
/// a leading `.` hides a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName(String);

/// `IFNAMSIZ` without the terminating NUL.
const LONGEST: usize = 15;

impl InterfaceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InterfaceName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| Err(ValueError::new("interface name", text, cause, hint));
        if text.is_empty() || text == "." || text == ".." {
            return refuse("is not an interface name", "use a name such as eth0");
        }
        if text.starts_with(['-', '.']) {
            return refuse("begins with a hyphen or a dot", "write the kernel's name of it, such as eth0");
        }
        if text.len() > LONGEST {
            return refuse("is longer than 15 characters", "use the kernel's name, such as eth0");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            return refuse("has an invalid character", "use only letters, digits and - _ .");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(InterfaceName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_the_kernel_accepts_is_valid() {
        for good in ["eth0", "end0", "enp0s31f6", "eth0.100", "enx001122334455"] {
            assert_eq!(good.parse::<InterfaceName>().unwrap().as_str(), good);
        }
        for (bad, want) in [
            ("", "is not an interface name"),
            ("..", "is not an interface name"),
            ("abcdefghijklmnop", "longer than 15"),
            ("eth 0", "invalid character"),
            ("eth0:1", "invalid character"),
            ("a/b", "invalid character"),
            ("eth0\n", "invalid character"),
        ] {
            let error = bad.parse::<InterfaceName>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }
}

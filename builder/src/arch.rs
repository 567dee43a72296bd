//! Processor architectures, each with the names that others give it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A processor architecture on which a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arch {
    /// 64-bit Arm.
    #[serde(rename = "aarch64")]
    Aarch64,
    /// 32-bit Arm with hardware for floating point. Raspberry Pi OS's programs for it run on an ARMv6 too, those of k3s
    /// and firstboot need an ARMv7.
    #[serde(rename = "armv7")]
    Armv7,
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
}

impl Arch {
    /// As Rust's targets begin; the kernel says the same, but for the `l` at the end of `armv7l`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::Armv7 => "armv7",
            Self::X86_64 => "x86_64",
        }
    }

    /// As Go, and with it container images, say it. Images for ARMv7 have the variant `v7` besides.
    pub fn go(self) -> &'static str {
        match self {
            Self::Aarch64 => "arm64",
            Self::Armv7 => "arm",
            Self::X86_64 => "amd64",
        }
    }

    /// As Debian says it.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Aarch64 => "arm64",
            Self::Armv7 => "armhf",
            Self::X86_64 => "amd64",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

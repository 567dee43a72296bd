//! The cgroup version of a base.

use super::facts::Facts;

/// The version of the cgroup file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// Version 1, with a hierarchy for each controller.
    V1,
    /// Version 2, with one unified hierarchy.
    V2,
}

/// The kernel argument that selects it for systemd (systemd(1), "Kernel command line").
const WORD: &str = "systemd.unified_cgroup_hierarchy";

impl Facts {
    /// All supported systems boot with version 2 (systemd since 247 in Debian), unless a kernel argument selects
    /// version 1. Unreadable arguments are treated as none.
    pub fn cgroup_version(&self) -> CgroupVersion {
        version(self.arguments())
    }

    /// Whether the kernel's arguments already enable the memory controller. A Pi's firmware disables it in the device
    /// trees of Raspberry Pi's kernels; elsewhere it is enabled by default.
    pub fn memory_cgroup_word(&self) -> bool {
        self.arguments().split_whitespace().any(|word| word == "cgroup_enable=memory")
    }
}

/// The last argument wins. A generated grub.cfg has the same arguments in every entry.
fn version(arguments: &str) -> CgroupVersion {
    let mut values = arguments.split_whitespace().filter_map(|word| match word.split_once('=') {
        Some((WORD, value)) => Some(value),
        None if word == WORD => Some("1"),
        _ => None,
    });
    match values.next_back().map(|value| value.to_ascii_lowercase()).as_deref() {
        // The values that systemd's parse_boolean reads as false.
        Some("0" | "no" | "n" | "false" | "f" | "off") => CgroupVersion::V1,
        _ => CgroupVersion::V2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kernels_arguments_bring_version_1() {
        for (arguments, want) in [
            ("", CgroupVersion::V2),
            ("console=tty1 root=/dev/sda1 quiet", CgroupVersion::V2),
            ("quiet systemd.unified_cgroup_hierarchy=0", CgroupVersion::V1),
            ("systemd.unified_cgroup_hierarchy=no quiet", CgroupVersion::V1),
            ("systemd.unified_cgroup_hierarchy=0 systemd.unified_cgroup_hierarchy", CgroupVersion::V2),
            ("xsystemd.unified_cgroup_hierarchy=0", CgroupVersion::V2),
            ("\tlinux /vmlinuz ro systemd.unified_cgroup_hierarchy=false\n\tinitrd /i\n", CgroupVersion::V1),
        ] {
            assert_eq!(version(arguments), want, "{arguments:?}");
        }
    }
}

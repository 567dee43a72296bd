//! Which version of the cgroup file system a base boots with.

use super::facts::Facts;

/// The version of the cgroup file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// The old one, with a hierarchy for each controller.
    V1,
    /// The unified one.
    V2,
}

/// The word with which systemd is told (systemd(1), "Kernel command line").
const WORD: &str = "systemd.unified_cgroup_hierarchy";

impl Facts {
    /// All systems that hcimage knows boot with version 2 (systemd since 247 in Debian), unless the kernel's arguments
    /// say otherwise. A base whose arguments cannot be read counts as one that says nothing.
    pub fn cgroup_version(&self) -> CgroupVersion {
        version(self.arguments())
    }

    /// Whether the kernel's arguments already switch the memory controller on. A Pi's firmware switches it off in the
    /// device trees of Raspberry Pi's kernels; elsewhere it is on without a word.
    pub fn memory_cgroup_word(&self) -> bool {
        self.arguments().split_whitespace().any(|word| word == "cgroup_enable=memory")
    }
}

/// The last word counts. A generated grub.cfg has the same words in every entry.
fn version(arguments: &str) -> CgroupVersion {
    let mut values = arguments.split_whitespace().filter_map(|word| match word.split_once('=') {
        Some((WORD, value)) => Some(value),
        None if word == WORD => Some("1"),
        _ => None,
    });
    match values.next_back().map(|value| value.to_ascii_lowercase()).as_deref() {
        // What systemd's parse_boolean takes for false.
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

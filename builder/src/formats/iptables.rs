//! Whether the base's iptables is new enough for Kubernetes.

use super::debian_version::{DebianVersion, VersionError};
use super::dpkg_status::installed_version;

/// The first release without the bugs that duplicate or lose rules.
const GOOD: &str = "1.8.6";

/// Whether k3s must prefer its own iptables over the base's (`prefer-bundled-bin`): if the installed one is older than
/// 1.8.6. Without one k3s uses its own anyway.
pub fn needs_bundled(dpkg_status: &str) -> Result<bool, VersionError> {
    let good: DebianVersion = GOOD.parse()?;
    Ok(installed_version(dpkg_status, "iptables")?.is_some_and(|version| version < good))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_iptables_before_1_8_6_needs_the_bundled_one() {
        for (version, want) in [
            ("1.6.0+snapshot20161117-6", true),
            ("1.8.2-4", true),
            ("1.8.5-3~bpo10+1", true),
            ("1.8.6-1", false),
            ("1.8.7-1", false),
            ("1.8.9-2", false),
            ("1.8.11-2", false),
        ] {
            let status = format!("Package: iptables\nStatus: install ok installed\nVersion: {version}\n");
            assert_eq!(needs_bundled(&status), Ok(want), "{version}");
        }
        assert_eq!(needs_bundled(""), Ok(false));
    }
}

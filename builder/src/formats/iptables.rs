//! Whether the base's iptables can carry Kubernetes.

use super::debian_version::{DebianVersion, VersionError};
use super::dpkg_status::installed_version;

/// The first release without the faults that make rules double or vanish.
const GOOD: &str = "1.8.6";

/// Whether k3s must put its own iptables before the base's (`prefer-bundled-bin`): where an older one than 1.8.6 is
/// installed. Where none is, k3s falls back to its own anyway.
pub fn needs_bundled(dpkg_status: &str) -> Result<bool, VersionError> {
    let good: DebianVersion = GOOD.parse()?;
    Ok(installed_version(dpkg_status, "iptables")?.is_some_and(|version| version < good))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_debian_are_told_apart() {
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

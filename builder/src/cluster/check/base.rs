//! The cluster file against what a base image is.

use crate::exit_class::{Classified, ExitClass};
use crate::os::{CgroupVersion, Facts};
use crate::source::k3s_version::K3sVersion;

/// The chosen k3s does not support the base's cgroup v1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "k3s {k3s} does not run on {system}: Kubernetes 1.35 and later do not support cgroup v1, which the base's kernel \
    arguments select; remove systemd.unified_cgroup_hierarchy=0 from the base, use another base, or set \
    version = \"v1.34\" in [k3s]"
)]
pub struct CgroupV1Unsupported {
    /// The release.
    pub k3s: K3sVersion,
    /// The system in the base.
    pub system: String,
}

impl Classified for CgroupV1Unsupported {
    fn class(&self) -> Option<ExitClass> {
        Some(ExitClass::Unsupported)
    }
}

/// The first minor version of Kubernetes whose kubelet does not support cgroup v1.
const WITHOUT_CGROUP_V1: u32 = 35;

/// Whether a release of k3s supports the cgroup version of a base. Called once the channel is resolved and the base is
/// probed.
pub fn check_base(k3s: &K3sVersion, facts: &Facts) -> Result<(), CgroupV1Unsupported> {
    check_version(k3s, facts.cgroup_version(), &facts.system)
}

fn check_version(
    k3s: &K3sVersion,
    version: CgroupVersion,
    system: &impl ToString,
) -> Result<(), CgroupV1Unsupported> {
    if version == CgroupVersion::V1 && k3s.minor() >= WITHOUT_CGROUP_V1 {
        return Err(CgroupV1Unsupported { k3s: k3s.clone(), system: system.to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_k3s_on_old_cgroups_is_refused() {
        use CgroupVersion::{V1, V2};
        for (k3s, version, good) in [
            ("v1.34.5+k3s1", V1, true),
            ("v1.34.5+k3s1", V2, true),
            ("v1.35.0+k3s1", V1, false),
            ("v1.36.2+k3s1", V1, false),
            ("v1.36.2+k3s1", V2, true),
        ] {
            assert_eq!(
                check_version(&k3s.parse().unwrap(), version, &"x").is_ok(),
                good,
                "{k3s} {version:?}"
            );
        }
        let error = check_version(&"v1.35.0+k3s1".parse().unwrap(), V1, &"Debian").unwrap_err().to_string();
        assert!(
            error.contains("v1.35.0+k3s1") && error.contains("Debian") && error.contains("v1.34"),
            "{error}"
        );
    }
}

//! What differs between the releases of k3s, each with where it was read.

use super::k3s_version::K3sVersion;

/// Files that every supported release writes to `server/manifests` itself, by the name before the first dot. Those of
/// metrics-server lie in a directory of their own, but an `Addon` is named by the file alone: a user's file with such a name
/// is applied, and its objects are removed again seconds later.
///
/// Read from `manifests/` of k3s at Kubernetes 1.32 to 1.36, and seen on 1.36.3 (November 2026).
pub const PACKAGED: [&str; 13] = [
    "aggregated-metrics-reader",
    "auth-delegator",
    "auth-reader",
    "ccm",
    "coredns",
    "local-storage",
    "metrics-apiservice",
    "metrics-server-deployment",
    "metrics-server-service",
    "resource-reader",
    "rolebindings",
    "runtimes",
    "traefik",
];

/// Files that came later, with the first minor version of Kubernetes that has them.
///
/// `gateway-api-crd`: k3s 1.37.0, September 2026 (k3s-io/k3s pull request 14573 and issue 14677).
const PACKAGED_SINCE: [(&str, u32); 1] = [("gateway-api-crd", 37)];

/// The first patch of each minor version of Kubernetes that keeps imported images pinned when `.cache.json` lets it skip
/// an unchanged archive. Before, a start that skipped it took the pins away, and the kubelet removed the images when the disk
/// was full.
///
/// k3s-io/k3s issues 14265 and 14270 to 14273: its developers saw the fault in v1.36.2+k3s1 and confirmed the fix on
/// 2026-07-22 on the branches after v1.36.2, v1.35.6, v1.34.9 and v1.33.13. Later minor versions began with it.
const KEEPS_PINS: [(u32, u32); 4] = [(33, 14), (34, 10), (35, 7), (36, 3)];

/// The first patch of each minor version of Kubernetes whose job for charts knows `failurePolicy: retry`. Later minor
/// versions began with it.
///
/// k3s-io/klipper-helm commit c7185fd (2026-07-21), in helm-controller 0.17.7, which k3s 1.36.3 and 1.35.8 have.
const RETRIES_CHARTS: [(u32, u32); 2] = [(35, 8), (36, 3)];

impl K3sVersion {
    /// Whether a chart may have the failure policy `retry`.
    pub fn retries_charts(&self) -> bool {
        self.is_since(&RETRIES_CHARTS)
    }

    /// Whether k3s writes a manifest itself whose name before the first dot is this.
    pub fn packages(&self, stem: &str) -> bool {
        let later = |(name, minor): &(&str, u32)| *name == stem && self.minor() >= *minor;
        PACKAGED.contains(&stem) || PACKAGED_SINCE.iter().any(later)
    }

    /// Whether images from archives stay pinned when `.cache.json` exists.
    pub fn keeps_pins(&self) -> bool {
        self.is_since(&KEEPS_PINS)
    }

    /// Whether it has what each of these minor versions has from a patch on, and all later ones.
    fn is_since(&self, firsts: &[(u32, u32)]) -> bool {
        let first = firsts.iter().find(|(minor, _)| *minor == self.minor());
        let newest = firsts.iter().map(|(minor, _)| *minor).max();
        match first {
            Some((minor, patch)) => self.is_at_least(*minor, *patch),
            None => newest.is_some_and(|newest| self.minor() > newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> K3sVersion {
        text.parse().unwrap()
    }

    #[test]
    fn the_packaged_manifests_are_those_of_the_release() {
        for stem in PACKAGED {
            assert!(
                version("v1.33.1+k3s1").packages(stem) && version("v1.37.2+k3s1").packages(stem),
                "{stem}"
            );
        }
        for (release, has) in [("v1.36.4+k3s1", false), ("v1.37.0-rc1+k3s1", true), ("v1.38.0+k3s1", true)] {
            assert_eq!(version(release).packages("gateway-api-crd"), has, "{release}");
            assert!(!version(release).packages("shop") && !version(release).packages("metrics-server"));
        }
    }

    #[test]
    fn only_releases_with_the_fix_keep_their_pins() {
        for (release, keeps) in [
            ("v1.32.13+k3s1", false),
            ("v1.33.13+k3s1", false),
            ("v1.33.14+k3s1", true),
            ("v1.34.3+k3s1", false),
            ("v1.34.10+k3s1", true),
            ("v1.35.6+k3s1", false),
            ("v1.35.7+k3s1", true),
            ("v1.36.2+k3s1", false),
            ("v1.36.3-rc1+k3s1", false),
            ("v1.36.3+k3s1", true),
            ("v1.36.10+k3s2", true),
            ("v1.37.0+k3s1", true),
        ] {
            assert_eq!(version(release).keeps_pins(), keeps, "{release}");
        }
    }
}

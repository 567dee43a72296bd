//! The kernel's modules: what k3s needs is there, for the kernel that the board boots, or there is no node.

use std::collections::BTreeSet;

use crate::cluster::FlannelBackend;
use crate::formats::kernel_modules::KernelModules;
use crate::formats::modules_load::{self, BRIDGE, Module, REQUIRED, VLAN, VXLAN, WIREGUARD};
use crate::os::Kernel;

use super::builder::PlanBuilder;
use super::error::PlanError;
use super::request::Request;

const OTHER_BASE: &str = "take another base image, or one in which the package with further modules (linux-modules-extra on \
                          Ubuntu) is installed";

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let kernels = builder.facts.boot_kernels(request.board.kernel);
    let backend = request.cluster.k3s.flannel_backend;
    check(&kernels, &needed(backend, request.node.network.vlan().is_some()))?;
    // What only one of them has would make the boot of the other look failed.
    let common = kernels.iter().map(|kernel| kernel.modules.clone()).reduce(|a, b| a.common(&b));
    let text = modules_load::render(&common.unwrap_or_default());
    builder.text(modules_load::PATH, 0o644, text, "kernel modules that k3s needs");
    builder.kernel_modules(of_backend(backend));
    Ok(())
}

/// What overlays need of the kernels that the board may boot.
pub(super) fn check_overlays(
    builder: &PlanBuilder,
    request: &Request<'_>,
    wanted: &BTreeSet<&str>,
) -> Result<(), PlanError> {
    for kernel in builder.facts.boot_kernels(request.board.kernel) {
        let missing: Vec<&str> = wanted.iter().copied().filter(|name| !kernel.modules.has(name)).collect();
        if !missing.is_empty() {
            return Err(PlanError::Modules {
                kernel: kernel.release.clone(),
                missing: format!("{} (an overlay needs it)", missing.join(", ")),
                hint: OTHER_BASE.to_owned(),
            });
        }
    }
    Ok(())
}

/// What the node cannot do without.
fn needed(backend: FlannelBackend, vlan: bool) -> Vec<Module> {
    let bridge = (backend != FlannelBackend::None).then_some(BRIDGE);
    let vlan = vlan.then_some(VLAN);
    REQUIRED.into_iter().chain(bridge).chain(of_backend(backend)).chain(vlan).collect()
}

/// What carries packets between nodes with this backend, where that is a module of its own.
fn of_backend(backend: FlannelBackend) -> Option<Module> {
    match backend {
        FlannelBackend::Vxlan => Some(VXLAN),
        FlannelBackend::WireguardNative => Some(WIREGUARD),
        FlannelBackend::HostGw | FlannelBackend::None => None,
    }
}

/// Any of the kernels may be the one that boots.
fn check(kernels: &[&Kernel], needed: &[Module]) -> Result<(), PlanError> {
    let none = Kernel {
        release: "the image, which has none in /lib/modules".to_owned(),
        modules: KernelModules::default(),
    };
    let kernels = if kernels.is_empty() { vec![&none] } else { kernels.to_vec() };
    for kernel in kernels {
        let missing = modules_load::missing(&kernel.modules, needed);
        if !missing.is_empty() {
            let list = missing.iter().map(|module| format!("{} ({})", module.name, module.why));
            return Err(PlanError::Modules {
                kernel: kernel.release.clone(),
                missing: list.collect::<Vec<_>>().join(", "),
                hint: hint(&missing, &kernel.modules),
            });
        }
    }
    Ok(())
}

/// Another backend helps only where it is the backend's own module that is missing.
fn hint(missing: &[Module], kernel: &KernelModules) -> String {
    let other = OTHER_BASE;
    let [only] = missing else { return other.to_owned() };
    let backend = match only.name {
        "vxlan" if kernel.has("wireguard") => {
            "\"wireguard-native\", or \"host-gw\" where all nodes are in one subnet"
        }
        "vxlan" => "\"host-gw\" where all nodes are in one subnet",
        "wireguard" if kernel.has("vxlan") => "\"vxlan\"",
        "wireguard" => "\"host-gw\" where all nodes are in one subnet",
        _ => return other.to_owned(),
    };
    format!("set flannel-backend in [k3s] to {backend}, or {other}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(modules: &[&str]) -> Kernel {
        let list: String = modules.iter().map(|name| format!("kernel/{name}.ko.zst:\n")).collect();
        Kernel { release: "5.15.0-1061-raspi".to_owned(), modules: KernelModules::parse(&list, "") }
    }

    const MOST: [&str; 5] = ["overlay", "br_netfilter", "nf_conntrack", "veth", "bridge"];

    fn check(kernels: &[&Kernel], backend: FlannelBackend, vlan: bool) -> Result<(), PlanError> {
        super::check(kernels, &needed(backend, vlan))
    }

    #[test]
    fn each_backend_needs_its_own_modules() {
        let base = ["overlay", "br_netfilter", "nf_conntrack", "veth"];
        for (backend, own) in [
            (FlannelBackend::Vxlan, &["bridge", "vxlan"][..]),
            (FlannelBackend::HostGw, &["bridge"]),
            (FlannelBackend::WireguardNative, &["bridge", "wireguard"]),
            (FlannelBackend::None, &[]),
        ] {
            let names: Vec<_> = needed(backend, false).iter().map(|module| module.name).collect();
            assert_eq!(names, [&base[..], own].concat(), "{backend:?}");
        }
    }

    #[test]
    fn a_missing_module_is_named_with_its_kernel_and_a_fix() {
        let bare = kernel(&MOST);
        let error = check(&[&bare], FlannelBackend::Vxlan, false).unwrap_err().to_string();
        for word in ["5.15.0-1061-raspi", "vxlan (pods", "\"host-gw\"", "linux-modules-extra"] {
            assert!(error.contains(word), "{word}: {error}");
        }
        assert!(!error.contains("wireguard-native"), "it has none: {error}");
        assert!(check(&[&bare], FlannelBackend::HostGw, false).is_ok());

        let guarded = kernel(&[&MOST[..], &["wireguard"]].concat());
        let error = check(&[&guarded], FlannelBackend::Vxlan, false).unwrap_err().to_string();
        assert!(error.contains("wireguard-native"), "{error}");
        assert!(check(&[&guarded], FlannelBackend::WireguardNative, false).is_ok());
        assert!(
            check(&[&guarded, &bare], FlannelBackend::WireguardNative, false).is_err(),
            "either may boot"
        );

        let error = check(&[&kernel(&["overlay"])], FlannelBackend::Vxlan, false).unwrap_err().to_string();
        assert!(error.contains("another base") && !error.contains("flannel-backend"), "{error}");
        let error = check(&[&guarded], FlannelBackend::Vxlan, true).unwrap_err().to_string();
        assert!(error.contains("8021q (the node's address") && error.contains("another base"), "{error}");
        let error = check(&[], FlannelBackend::None, false).unwrap_err().to_string();
        assert!(error.contains("/lib/modules"), "{error}");
    }
}

//! `/etc/modules-load.d/hcimage-k3s.conf`: kernel modules that k3s needs and that are not loaded otherwise.

use super::kernel_modules::KernelModules;

/// The path of the file.
pub const PATH: &str = "/etc/modules-load.d/hcimage-k3s.conf";

/// A kernel module and why k3s needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Module {
    /// The name for modprobe.
    pub name: &'static str,
    /// Why it is needed.
    pub why: &'static str,
}

const OVERLAY: Module =
    Module { name: "overlay", why: "container images are layers put on top of each other" };
const BR_NETFILTER: Module =
    Module { name: "br_netfilter", why: "packets between pods of a node pass the service rules" };
const NF_CONNTRACK: Module = Module {
    name: "nf_conntrack",
    why: "services follow connections; its sysctls exist only once it is loaded",
};

/// Loaded at boot. The kernel loads others (veth, vxlan, xt_*) on first use.
const LOADED: [Module; 5] = [
    OVERLAY,
    BR_NETFILTER,
    NF_CONNTRACK,
    Module { name: "iptable_nat", why: "service addresses, where iptables is the legacy one" },
    Module { name: "iptable_filter", why: "network policies, where iptables is the legacy one" },
];

const VETH: Module = Module { name: "veth", why: "each pod is wired to its node by a pair of them" };

/// What k3s cannot do without, whatever its settings.
pub const REQUIRED: [Module; 4] = [OVERLAY, BR_NETFILTER, NF_CONNTRACK, VETH];

/// What flannel needs with every backend.
pub const BRIDGE: Module = Module { name: "bridge", why: "the pods of a node meet on a bridge" };
/// What flannel's backend `vxlan` needs.
pub const VXLAN: Module =
    Module { name: "vxlan", why: "pods of different nodes reach each other through it, with this backend" };
/// What flannel's backend `wireguard-native` needs.
pub const WIREGUARD: Module =
    Module { name: "wireguard", why: "it encrypts what pods of different nodes send, with this backend" };
/// What an address in a VLAN needs.
pub const VLAN: Module = Module { name: "8021q", why: "the node's address is in a VLAN" };

/// The file, without modules that the kernel does not have: a missing module would make `systemd-modules-load` fail at
/// boot; a built-in one does not.
pub fn render(kernel: &KernelModules) -> String {
    let mut text = String::from("# Written by hcimage: what k3s needs and nothing else loads.\n");
    for module in LOADED.iter().filter(|module| kernel.has(module.name)) {
        text.push_str(&format!("# {}\n{}\n", module.why, module.name));
    }
    text
}

/// What the kernel does not have of `needed`.
pub fn missing(kernel: &KernelModules, needed: &[Module]) -> Vec<Module> {
    needed.iter().filter(|module| !kernel.has(module.name)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_module_is_reported_and_not_loaded() {
        let kernel = KernelModules::parse(
            "kernel/net/bridge/br_netfilter.ko: x\nkernel/net/bridge/bridge.ko:\nkernel/drivers/net/veth.ko:\n",
            "kernel/fs/overlayfs/overlay.ko\n",
        );
        for (needed, want) in [
            (&[BRIDGE, VXLAN][..], &["nf_conntrack", "vxlan"][..]),
            (&[BRIDGE], &["nf_conntrack"]),
            (&[BRIDGE, WIREGUARD], &["nf_conntrack", "wireguard"]),
            (&[], &["nf_conntrack"]),
        ] {
            let needed = [&REQUIRED[..], needed].concat();
            let names: Vec<_> = missing(&kernel, &needed).iter().map(|module| module.name).collect();
            assert_eq!(names, want, "{needed:?}");
        }
        let text = render(&kernel);
        let loaded: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(loaded, ["overlay", "br_netfilter"]);
    }
}

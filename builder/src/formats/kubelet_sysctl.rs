//! Kernel settings for a kubelet with `protect-kernel-defaults`, and what sets them before each start of k3s.

use crate::value::Role;

/// The path of the settings. systemd applies files in the order of their names: this one comes after those of a base.
pub const PATH: &str = "/etc/sysctl.d/zz-hcimage-kubelet.conf";

/// The settings that the kubelet compares (Kubernetes, `pkg/kubelet/cm/container_manager_linux.go`,
/// `setupKernelTunables`; the values are in `k8s.io/component-helpers/node/util/sysctl`).
pub fn render() -> String {
    "# Written by hcimage for protect-kernel-defaults: with any other value the kubelet does not start.\n\
     vm.overcommit_memory = 1\n\
     vm.panic_on_oom = 0\n\
     kernel.panic = 10\n\
     kernel.panic_on_oops = 1\n\
     kernel.keys.root_maxkeys = 1000000\n\
     kernel.keys.root_maxbytes = 25000000\n"
        .into()
}

/// The path of the addition to the unit of k3s.
pub fn drop_in_path(role: Role) -> String {
    format!("/etc/systemd/system/{}.d/20-hcimage-kernel-defaults.conf", role.unit())
}

/// The addition. A file in sysctl.d with a later name, or a program, may have changed the settings since the boot.
pub fn drop_in() -> String {
    format!(
        "# Written by hcimage for protect-kernel-defaults.\n\
         [Service]\n\
         # The leading minus: where a setting cannot be made, the kubelet itself says which.\n\
         ExecStartPre=-/lib/systemd/systemd-sysctl {PATH}\n"
    )
}

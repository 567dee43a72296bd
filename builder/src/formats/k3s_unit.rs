//! The systemd unit of k3s, with the settings of k3s's own installer.

use crate::value::Role;

/// The path of the unit.
pub fn path(role: Role) -> String {
    format!("/etc/systemd/system/{}", role.unit())
}

/// The unit. It is not enabled in the image: hc-firstboot enables it once the node is ready.
pub fn render(role: Role) -> String {
    let env = super::k3s_env::path(role);
    format!(
        "# Written by hcimage, with the settings of k3s's own installer.\n\
         [Unit]\n\
         Description=Lightweight Kubernetes ({role})\n\
         Documentation=https://docs.k3s.io\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         # Ready once the API answers (server) or the node is registered (agent).\n\
         Type=notify\n\
         EnvironmentFile=-/etc/default/%N\n\
         EnvironmentFile=-/etc/sysconfig/%N\n\
         EnvironmentFile=-{env}\n\
         # The pods outlive a restart of k3s, and their control groups are its own affair.\n\
         KillMode=process\n\
         Delegate=yes\n\
         User=root\n\
         LimitNOFILE=1048576\n\
         LimitNPROC=infinity\n\
         # k3s has the keys of the cluster in its memory.\n\
         LimitCORE=0\n\
         TasksMax=infinity\n\
         # A first start on a slow card unpacks images for minutes.\n\
         TimeoutStartSec=0\n\
         Restart=always\n\
         RestartSec=5s\n\
         # They may be built into the kernel: k3s itself says what is really missing.\n\
         ExecStartPre=-/sbin/modprobe br_netfilter\n\
         ExecStartPre=-/sbin/modprobe overlay\n\
         ExecStart=/usr/local/bin/k3s {role}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

//! `/etc/sysctl.d/90-hcimage-k3s.conf`: kernel settings that k3s needs before it starts.

/// The path of the file.
pub const PATH: &str = "/etc/sysctl.d/90-hcimage-k3s.conf";

/// The file. It does not enable IPv6 forwarding, which makes the kernel ignore router advertisements; k3s enables it if
/// the cluster has IPv6.
pub fn render() -> String {
    "# Written by hcimage for k3s. A leading hyphen means: no error where the kernel has no such setting.\n\
     \n\
     # Pods reach other nodes and the world through this one.\n\
     net.ipv4.ip_forward = 1\n\
     \n\
     # Packets between pods of this node pass the service rules (settings of br_netfilter).\n\
     -net.bridge.bridge-nf-call-iptables = 1\n\
     -net.bridge.bridge-nf-call-ip6tables = 1\n\
     \n\
     # Each pod whose logs are followed takes some: the kernel's 128 instances run out at a few dozen pods.\n\
     fs.inotify.max_user_instances = 512\n\
     fs.inotify.max_user_watches = 524288\n"
        .into()
}

//! The keys of k3s's `config.yaml`: the long flags of `k3s server` and `k3s agent`.
//!
//! Read from k3s's `pkg/cli/cmds/{server,agent,log}.go` at Kubernetes 1.36. Other releases know a few more or less:
//! a key that is not here is doubtful, not wrong.

use crate::value::Role;

/// Keys that hcimage writes, each with what to do instead.
const RESERVED: [(&str, &str); 41] = [
    ("advertise-address", "set the node's `address`"),
    ("advertise-port", "leave it out: nodes join at port 6443"),
    ("agent-token", "leave it out: tokens are made when building and kept in the secrets file"),
    ("agent-token-file", "leave it out: tokens are made when building and kept in the secrets file"),
    ("cluster-cidr", "set `cluster-cidr` in [k3s]"),
    ("cluster-domain", "set `cluster-domain` in [k3s]"),
    ("cluster-init", "set `datastore = \"etcd\"` in [k3s]"),
    ("cluster-reset", "leave it out: it is for an hour of need, not for every start"),
    ("cluster-reset-restore-path", "leave it out: it is for an hour of need, not for every start"),
    ("config", "leave it out: settings written here are that file"),
    ("data-dir", "leave it out: what is built into the image lies in k3s's usual directory"),
    ("datastore-cafile", "set `ca-file` in [external-datastore]"),
    ("datastore-certfile", "set `cert-file` in [external-datastore]"),
    ("datastore-endpoint", "set `endpoint` in [external-datastore]"),
    ("datastore-keyfile", "set `key-file` in [external-datastore]"),
    ("disable", "set `disable` in [k3s]"),
    ("disable-agent", "leave it out: every server runs workloads too; use a taint to keep them off"),
    ("docker", "leave it out: the images that are built in are for k3s's own containerd"),
    ("flannel-backend", "set `flannel-backend` in [k3s]"),
    ("flannel-iface", "set the node's `interface`"),
    ("https-listen-port", "leave it out: nodes join at port 6443"),
    ("node-external-ip", "leave it out: it is another on every node"),
    ("node-ip", "set the node's `address`"),
    ("node-label", "set the node's `labels`"),
    ("node-name", "set the node's `name`"),
    ("node-taint", "set the node's `taints`"),
    ("prefer-bundled-bin", "leave it out: hcimage sets it where the base's iptables is too old"),
    ("private-registry", "set [registries]"),
    ("rootless", "leave it out: a node's k3s runs as root"),
    ("secrets-encryption", "set `secrets-encryption` in [k3s]"),
    ("server", "leave it out: nodes join the first server"),
    ("service-cidr", "set `service-cidr` in [k3s]"),
    ("tls-san", "set `tls-san` at the top of the file"),
    ("token", "leave it out: tokens are made when building and kept in the secrets file"),
    ("token-file", "leave it out: tokens are made when building and kept in the secrets file"),
    ("with-node-id", "leave it out: a node's name is its host name, so that it may be flashed again"),
    ("write-kubeconfig", "leave it out: the first boot reads k3s's usual file"),
    ("write-kubeconfig-group", "set `kubeconfig-mode` in [k3s]"),
    ("write-kubeconfig-mode", "set `kubeconfig-mode` in [k3s]"),
    ("disable-apiserver", "leave it out: a server that serves no API cannot be the one that others join"),
    ("disable-etcd", "set `datastore` in [k3s]"),
];

/// Known to servers and agents.
const BOTH: [&str; 29] = [
    "alsologtostderr",
    "bind-address",
    "container-runtime-endpoint",
    "debug",
    "default-runtime",
    "disable-default-registry-endpoint",
    "enable-pprof",
    "flannel-cni-conf",
    "flannel-conf",
    "image-credential-provider-bin-dir",
    "image-credential-provider-config",
    "image-service-endpoint",
    "kube-proxy-arg",
    "kubelet-arg",
    "lb-server-port",
    "log",
    "node-external-dns",
    "node-internal-dns",
    "nonroot-devices",
    "pause-image",
    "protect-kernel-defaults",
    "resolv-conf",
    "selinux",
    "snapshotter",
    "v",
    "vmodule",
    "vpn-auth",
    "vpn-auth-file",
    "airgap-extra-registry",
];

/// Known to servers alone: an agent that finds one does not start.
const SERVER: [&str; 46] = [
    "cluster-dns",
    "default-local-storage-path",
    "disable-cloud-controller",
    "disable-controller-manager",
    "disable-helm-controller",
    "disable-kube-proxy",
    "disable-network-policy",
    "disable-scheduler",
    "egress-selector-mode",
    "embedded-registry",
    "etcd-arg",
    "etcd-disable-snapshots",
    "etcd-expose-metrics",
    "etcd-s3",
    "etcd-s3-access-key",
    "etcd-s3-bucket",
    "etcd-s3-config-secret",
    "etcd-s3-endpoint",
    "etcd-s3-endpoint-ca",
    "etcd-s3-directory",
    "etcd-s3-insecure",
    "etcd-s3-proxy",
    "etcd-s3-region",
    "etcd-s3-secret-key",
    "etcd-s3-skip-ssl-verify",
    "etcd-s3-timeout",
    "etcd-snapshot-compress",
    "etcd-snapshot-dir",
    "etcd-snapshot-name",
    "etcd-snapshot-reconcile-interval",
    "etcd-snapshot-retention",
    "etcd-snapshot-schedule-cron",
    "flannel-external-ip",
    "flannel-ipv6-masq",
    "helm-job-image",
    "kine-tls",
    "kube-apiserver-arg",
    "kube-cloud-controller-manager-arg",
    "kube-controller-manager-arg",
    "kube-scheduler-arg",
    "service-node-port-range",
    "servicelb-namespace",
    "supervisor-metrics",
    "system-default-registry",
    "tls-san-security",
    "secrets-encryption-provider",
];

/// Known to agents alone.
const AGENT: [&str; 1] = ["disable-apiserver-lb"];

/// What a key is to a role.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be set.
    Free,
    /// hcimage sets it; this is what to do instead.
    Reserved(&'static str),
    /// Only a server knows it, and this is an agent.
    ServerOnly,
    /// No release that we know has it.
    Unknown,
}

pub(super) fn standing(key: &str, role: Role) -> Standing {
    if let Some((_, instead)) = RESERVED.iter().find(|(reserved, _)| *reserved == key) {
        return Standing::Reserved(instead);
    }
    match role {
        _ if free(role).any(|known| known == key) => Standing::Free,
        Role::Agent if SERVER.contains(&key) => Standing::ServerOnly,
        Role::Agent | Role::Server => Standing::Unknown,
    }
}

/// The keys that may be set for a role.
pub(super) fn free(role: Role) -> impl Iterator<Item = &'static str> {
    let own: &[&str] = match role {
        Role::Server => &SERVER,
        Role::Agent => &AGENT,
    };
    BOTH.iter().chain(own).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_listed_twice() {
        let mut all: Vec<&str> =
            RESERVED.iter().map(|(key, _)| *key).chain(BOTH).chain(SERVER).chain(AGENT).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_key_stands_differently_with_servers_and_agents() {
        assert_eq!(standing("kubelet-arg", Role::Agent), Standing::Free);
        assert_eq!(standing("etcd-arg", Role::Server), Standing::Free);
        assert_eq!(standing("etcd-arg", Role::Agent), Standing::ServerOnly);
        assert!(matches!(standing("token", Role::Server), Standing::Reserved(_)));
        assert_eq!(standing("kubelet-args", Role::Server), Standing::Unknown);
    }
}

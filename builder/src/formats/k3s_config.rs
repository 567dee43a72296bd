//! `/etc/rancher/k3s/config.yaml`.
//!
//! One file per role: an agent stops on keys that only a server knows. Secrets stay in files of their own.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::value::{Hostname, InterfaceName};
use hc_common::text::yaml::{list, quoted};

/// Where the file lies.
pub const PATH: &str = "/etc/rancher/k3s/config.yaml";

/// What every node is told.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The node's name in the cluster; without it k3s takes what the kernel's host name is at that moment.
    pub node_name: Hostname,
    /// The node's fixed address, if it has one.
    pub node_ip: Option<IpAddr>,
    /// The interface of the pod network: needed with `node_ip` where there is no default route, else k3s stops.
    pub flannel_interface: Option<InterfaceName>,
    /// Labels that it gives itself when it joins, as `key=value`.
    pub labels: Vec<String>,
    /// Taints that it gives itself when it joins, as `key=value:Effect`.
    pub taints: Vec<String>,
    /// Arguments for the kubelet, each `flag=value`.
    pub kubelet_args: Vec<String>,
    /// The file with the token that it joins with, if it was made when building.
    pub token_file: Option<&'static str>,
    /// The address of the server that it joins; none for the first server.
    pub server: Option<String>,
    /// Whether k3s must put its own iptables before the base's (see [`super::iptables`]).
    pub prefer_bundled_bin: bool,
}

/// What servers are told besides. All of it must be the same on all servers of a cluster but `cluster_init`. The
/// permissions of the kubeconfig are set in [`super::k3s_env`].
#[derive(Debug, Clone, Default)]
pub struct ServerConfig {
    /// Names and addresses under which clients reach the API.
    pub tls_san: Vec<String>,
    /// The file with the token that agents join with, if it was made when building.
    pub agent_token_file: Option<&'static str>,
    /// Whether this server begins a cluster whose state is in etcd.
    pub cluster_init: bool,
    /// What carries packets between nodes, where it is not k3s's own choice.
    pub flannel_backend: Option<&'static str>,
    /// Packaged components that are left out, such as `traefik`.
    pub disable: Vec<&'static str>,
    /// Whether Kubernetes secrets are encrypted in the datastore.
    pub secrets_encryption: bool,
    /// Networks of the pods, separated by commas; empty for k3s's own.
    pub cluster_cidr: String,
    /// Networks of the services, separated by commas; empty for k3s's own.
    pub service_cidr: String,
    /// The domain of services inside the cluster, where it is not `cluster.local`.
    pub cluster_domain: Option<String>,
}

/// The file of a server.
pub fn render_server(node: &NodeConfig, server: &ServerConfig) -> String {
    let mut text = render_agent(node);
    for (key, set) in
        [("cluster-init", server.cluster_init), ("secrets-encryption", server.secrets_encryption)]
    {
        if set {
            // Writing into a String cannot fail; the same holds below.
            let _ = writeln!(text, "{key}: true");
        }
    }
    for (key, value) in [
        ("agent-token-file", server.agent_token_file),
        ("flannel-backend", server.flannel_backend),
        ("cluster-cidr", Some(server.cluster_cidr.as_str())),
        ("service-cidr", Some(server.service_cidr.as_str())),
        ("cluster-domain", server.cluster_domain.as_deref()),
    ] {
        write_text(&mut text, key, value);
    }
    write_list(&mut text, "tls-san", server.tls_san.iter().map(String::as_str));
    write_list(&mut text, "disable", server.disable.iter().copied());
    text
}

/// The file of an agent.
pub fn render_agent(node: &NodeConfig) -> String {
    let mut text =
        String::from("# Written by hcimage. Settings of your own go into config.yaml.d/*.yaml beside it.\n");
    let ip = node.node_ip.map(|ip| ip.to_string());
    for (key, value) in [
        ("node-name", Some(node.node_name.as_str())),
        ("node-ip", ip.as_deref()),
        ("flannel-iface", node.flannel_interface.as_ref().map(InterfaceName::as_str)),
        ("server", node.server.as_deref()),
        ("token-file", node.token_file),
    ] {
        write_text(&mut text, key, value);
    }
    write_list(&mut text, "node-label", node.labels.iter().map(String::as_str));
    write_list(&mut text, "node-taint", node.taints.iter().map(String::as_str));
    write_list(&mut text, "kubelet-arg", node.kubelet_args.iter().map(String::as_str));
    if node.prefer_bundled_bin {
        text.push_str(
            "# The base's iptables is too old for Kubernetes (before 1.8.6).\nprefer-bundled-bin: true\n",
        );
    }
    text
}

fn write_text(text: &mut String, key: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        let _ = writeln!(text, "{key}: {}", quoted(value));
    }
}

fn write_list<'a>(text: &mut String, key: &str, items: impl Iterator<Item = &'a str>) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        text.push_str(&list(key, items));
    }
}

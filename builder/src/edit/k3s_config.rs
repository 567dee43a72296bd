//! `/etc/rancher/k3s/config.yaml` of a server.
//!
//! One file per role: an agent stops on keys that only a server knows. Secrets stay in files of their own.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::yaml::{list, quoted};
use crate::value::{Hostname, InterfaceName};

/// Where the file lies.
pub const PATH: &str = "/etc/rancher/k3s/config.yaml";

/// What a server is told. The permissions of its kubeconfig are set in [`super::k3s_env`].
#[derive(Debug, Clone)]
pub struct ServerConfig<'a> {
    /// The node's name in the cluster; without it k3s takes what the kernel's host name is at that moment.
    pub node_name: &'a Hostname,
    /// The node's fixed address, if it has one.
    pub node_ip: Option<IpAddr>,
    /// The interface of the pod network: needed with `node_ip` where there is no default route, else k3s stops.
    pub flannel_interface: Option<&'a InterfaceName>,
    /// Names and addresses under which clients reach the API.
    pub tls_san: &'a [String],
    /// Whether k3s must put its own iptables before the base's (see [`super::iptables`]).
    pub prefer_bundled_bin: bool,
    /// The file with the server token, if it was made when building.
    pub token_file: Option<&'a str>,
    /// The file with the token that agents join with, if it was made when building.
    pub agent_token_file: Option<&'a str>,
    /// Packaged components that are left out, such as `traefik`.
    pub disable: &'a [String],
}

/// The file.
pub fn render_server(config: &ServerConfig<'_>) -> String {
    let mut text =
        String::from("# Written by hcimage. Settings of your own go into config.yaml.d/*.yaml beside it.\n");
    let ip = config.node_ip.map(|ip| ip.to_string());
    for (key, value) in [
        ("node-name", Some(config.node_name.as_str())),
        ("node-ip", ip.as_deref()),
        ("flannel-iface", config.flannel_interface.map(InterfaceName::as_str)),
        ("token-file", config.token_file),
        ("agent-token-file", config.agent_token_file),
    ] {
        if let Some(value) = value {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{key}: {}", quoted(value));
        }
    }
    for (key, items) in [("tls-san", config.tls_san), ("disable", config.disable)] {
        if !items.is_empty() {
            text.push_str(&list(key, items.iter().map(String::as_str)));
        }
    }
    if config.prefer_bundled_bin {
        text.push_str(
            "# The base's iptables is too old for Kubernetes (before 1.8.6).\nprefer-bundled-bin: true\n",
        );
    }
    text
}

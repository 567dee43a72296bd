//! The commented cluster file that `hcimage init` writes.
//!
//! Comments begin with `# `, optional settings with `#` and no space: removing that `#` gives a valid file.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::value::{DnsLabel, Host, Role, Subnet, UserName};

use super::model::DataDisk;

/// The contents of the file.
#[derive(Debug, Clone)]
pub struct TemplateOptions {
    /// The cluster's name; the names of the nodes begin with it.
    pub name: DnsLabel,
    /// The number of servers; more than one use etcd.
    pub servers: u32,
    /// The board of the servers.
    pub board: String,
    /// The number of agents.
    pub agents: u32,
    /// The board of the agents.
    pub agent_board: String,
    /// Fixed addresses; `None` for DHCP.
    pub addresses: Option<FixedAddresses>,
    /// A fixed name or address of the API.
    pub api: Option<Host>,
    /// An account and the file with its SSH key.
    pub user: Option<(UserName, PathBuf)>,
}

/// Addresses of a network, assigned to the nodes in order.
#[derive(Debug, Clone, Copy)]
pub struct FixedAddresses {
    /// The network.
    pub subnet: Subnet,
    /// The router.
    pub gateway: IpAddr,
    /// The first node's address.
    pub first: IpAddr,
}

impl FixedAddresses {
    /// The address of a node, counted from 0; `None` after the last address.
    fn node(&self, index: u32) -> Option<IpAddr> {
        Some(match self.first {
            IpAddr::V4(first) => {
                IpAddr::V4(std::net::Ipv4Addr::from_bits(first.to_bits().checked_add(index)?))
            }
            IpAddr::V6(first) => {
                IpAddr::V6(std::net::Ipv6Addr::from_bits(first.to_bits().checked_add(index.into())?))
            }
        })
    }
}

/// The file.
pub fn template(options: &TemplateOptions) -> String {
    let mut text = format!(
        "# The cluster {name}: `hcimage build` makes an image for each of its nodes.\n\
         #\n\
         # A line that begins with # and no blank is a setting that you can switch on: take the # away.\n\
         # The reference explains every key: docs/config.md of hcimage.\n\n\
         schema = 1\n\
         name = {quoted}\n",
        name = options.name,
        quoted = quoted(options.name.as_str()),
    );
    top(&mut text, options);
    k3s(&mut text, options);
    network(&mut text, options);
    nodes(&mut text, options);
    text.push_str(&data_disk());
    users(&mut text, options);
    text.push_str(REST);
    let board = quoted_key(&options.board);
    line(
        &mut text,
        &format!(
            "\n# The base image of a board, if it is not the board's default.\n#[boards.{board}]\n#base = \"debian-12.img\""
        ),
    );
    text
}

fn top(text: &mut String, options: &TemplateOptions) {
    text.push_str(
        "\n# A fixed name or address of the API, such as a name in your DNS.\n\
         # The kubeconfig uses it.",
    );
    match (&options.api, &options.addresses) {
        (Some(_), None) => text.push_str(" The nodes join there too, so it must lead to the first server.\n"),
        _ => text.push('\n'),
    }
    match &options.api {
        Some(api) => line(text, &format!("api = {}", quoted(&api.to_string()))),
        None => line(text, "#api = \"k3s.home.lan\""),
    }
    text.push_str(
        "# More names and addresses of the API.\n#tls-san = [\"k3s.example.org\"]\n\
         #time-zone = \"Europe/Berlin\"\n\
         # YAML files that k3s applies when the cluster starts. The nodes must have their container images: see\n\
         # [[images]] below, or let the nodes pull them.\n#manifests = [\"shop.yaml\"]\n#online = true\n\
         \n# A container image that the nodes have from the start.\n#[[images]]\n\
         #name = \"ghcr.io/navidrome/navidrome:0.63.2\"\n\
         \n# A Helm chart that k3s installs.\n#[[charts]]\n#name = \"metallb\"\n\
         #repo = \"https://metallb.github.io/metallb\"\n#version = \"0.16.1\"\n#namespace = \"metallb-system\"\n\
         \n# A package of the base's distribution, which the first boot installs without a network.\n#[[packages]]\n\
         #name = \"open-iscsi\"\n#enable = [\"iscsid.service\"]\n",
    );
}

fn k3s(text: &mut String, options: &TemplateOptions) {
    text.push_str("\n[k3s]\n# A release, such as v1.36.2+k3s1, or a channel: stable, latest, v1.36.\nversion = \"stable\"\n");
    if options.servers > 1 {
        text.push_str(
            "# Several servers share their state with etcd. It needs an odd number of servers, each with an SSD.\n\
             datastore = \"etcd\"\n",
        );
    }
    text.push_str(
        "# How packets travel between nodes; this backend encrypts them.\n\
         #flannel-backend = \"wireguard-native\"\n\
         # Packaged components to disable.\n#disable = [\"traefik\", \"servicelb\"]\n\
         # Encrypts Kubernetes secrets in the datastore. It cannot be switched on later.\n\
         secrets-encryption = true\n\
         # Settings of k3s itself, as in its config.yaml: for all servers, and for all agents.\n\
         #server = { kubelet-arg = [\"max-pods=200\"] }\n\
         #agent = { kubelet-arg = [\"max-pods=200\"] }\n",
    );
}

fn network(text: &mut String, options: &TemplateOptions) {
    text.push_str("\n[network]\n");
    if let Some(FixedAddresses { subnet, gateway, .. }) = options.addresses {
        let gateway = quoted(&gateway.to_string());
        let subnet = quoted(&subnet.to_string());
        line(text, &format!("subnet = {subnet}\ngateway = {gateway}\ndns = [{gateway}]"));
    }
    text.push_str(
        "# Time servers, if those of the base image cannot be reached.\n#ntp = [\"pool.ntp.org\"]\n\
         # The search domain of the nodes.\n#domain = \"home.lan\"\n\
         # For nodes that say `wifi = true`.\n\
         #wifi = { ssid = \"Home\", psk = \"the password\", country = \"DE\" }\n",
    );
}

fn nodes(text: &mut String, options: &TemplateOptions) {
    let servers = (0..options.servers).map(|index| (index, Role::Server));
    let all = options.servers.saturating_add(options.agents);
    let agents = (options.servers..all).map(|index| (index, Role::Agent));
    if all > 1 {
        text.push_str("\n# The first server starts the cluster. The other nodes join it, whatever the order of power-on.");
    }
    for (index, role) in servers.chain(agents) {
        let board = match role {
            Role::Server => &options.board,
            Role::Agent => &options.agent_board,
        };
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "\n[[nodes]]\nname = {}\nrole = \"{role}\"\nboard = {}\n",
            quoted(&format!("{}-{}", options.name, index.saturating_add(1))),
            quoted(board),
        );
        if let Some(address) = options.addresses.and_then(|addresses| addresses.node(index)) {
            line(text, &format!("address = {}", quoted(&address.to_string())));
        }
        if index == 0 {
            text.push_str(
                "# For boards with several network ports: the port to use, by MAC address or by name.\n\
                 #mac = \"dc:a6:32:01:02:03\"\n#interface = \"eth0\"\n\
                 # Labels and taints of the Kubernetes node.\n\
                 #labels = { disk = \"ssd\" }\n#taints = [\"dedicated=storage:NoSchedule\"]\n",
            );
        }
    }
}

fn data_disk() -> String {
    let (label, mount) = (DataDisk::DEFAULT_LABEL, DataDisk::DEFAULT_MOUNT);
    format!(
        "
# A second disk for data, on every node without `data-disk = false`.
#[data-disk]
#label = {label:?}
#mount = {mount:?}
#datastore = true
#format = \"if-blank\"
#folders = [{{ path = \"media\", uid = 1000, gid = 1000, mode = \"0755\" }}]
"
    )
}

fn users(text: &mut String, options: &TemplateOptions) {
    match &options.user {
        Some((name, file)) => {
            let (name, file) = (quoted(name.as_str()), quoted(&file.to_string_lossy()));
            let _ = write!(
                text,
                "\n# Accounts on every node; they log in by SSH.\n[[users]]\nname = {name}\nssh-key-files = [{file}]\n#sudo = false\n"
            );
        }
        None => text.push_str(
            "\n# An account on every node, with its SSH public key.\n#[[users]]\n#name = \"admin\"\n\
             #ssh-key-files = [\"admin.pub\"]\n",
        ),
    }
}

const REST: &str = "
# An application or capability with all that it needs: `hcimage overlays` lists them.
#[overlays.nextcloud]
#host = \"cloud.example.org\"

# A mirror of a registry, or your own registry.
#[registries.mirrors.\"docker.io\"]
#endpoint = [\"https://registry.home.lan:5000\"]

#[registries.configs.\"registry.home.lan:5000\"]
#auth = { username = \"pull\", password = \"the password\" }
";

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// A TOML key (toml.io, "Keys").
fn quoted_key(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.is_empty() && text.chars().all(bare) { text.to_owned() } else { quoted(text) }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

//! What a node's k3s is told, by its part in the cluster.

use std::fmt::Write as _;

use crate::cluster::{Datastore, FlannelBackend, Setting};
use crate::formats::k3s_config::{self, NodeConfig, ServerConfig};
use crate::secrets::{AGENT_TOKEN, TOKEN};
use crate::value::{BootstrapRole, Role, Secret};
use hc_common::text::yaml::{list, quoted};

use super::builder::PlanBuilder;
use super::edit::Content;
use super::error::PlanError;
use super::flash_wear;
use super::network;
use super::request::Request;

/// Beside `config.yaml` and read after it; what may hold passwords stays out of what `hcimage plan` shows.
const MORE: &str = "/etc/rancher/k3s/config.yaml.d/10-hcimage.yaml";

const DATABASE_CA: &str = "/etc/rancher/k3s/datastore/ca.pem";
const DATABASE_CERTIFICATE: &str = "/etc/rancher/k3s/datastore/client.pem";
const DATABASE_KEY: &str = "/etc/rancher/k3s/datastore/client.key";

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let node = node(builder, request)?;
    let text = match request.node.bootstrap_role.role() {
        Role::Server => k3s_config::render_server(&node, &server(request)),
        Role::Agent => k3s_config::render_agent(&node),
    };
    builder.text(k3s_config::PATH, 0o600, text, "configuration of k3s");
    let more = more(request);
    if !more.expose().is_empty() {
        builder.file(MORE, 0o600, Content::Secret(more), "further settings of k3s, which may be secret");
    }
    if request.node.bootstrap_role.role() == Role::Server {
        database_files(builder, request);
    }
    Ok(())
}

fn node(builder: &PlanBuilder, request: &Request<'_>) -> Result<NodeConfig, PlanError> {
    let node = request.node;
    Ok(NodeConfig {
        node_name: node.name.clone(),
        node_ip: node.network.static_address(),
        flannel_interface: network::interface(builder, request)?,
        labels: node.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        taints: node.taints.iter().map(ToString::to_string).collect(),
        // Where the user has some of their own, all are in the other file.
        kubelet_args: match flash_wear::user_args(request) {
            Some(_) => Vec::new(),
            None => flash_wear::kubelet_args(request),
        },
        token_file: request.secrets.map(|_| TOKEN),
        server: joins(request).then(|| request.cluster.join_url()).flatten(),
        prefer_bundled_bin: builder.facts.old_iptables,
    })
}

/// Servers that share a database find each other in it (<https://docs.k3s.io/datastore/ha>); all others are told where.
fn joins(request: &Request<'_>) -> bool {
    match (request.node.bootstrap_role, &request.cluster.datastore) {
        (BootstrapRole::InitServer, _) | (BootstrapRole::JoinServer, Datastore::External(_)) => false,
        (BootstrapRole::JoinServer | BootstrapRole::Agent, _) => true,
    }
}

fn server(request: &Request<'_>) -> ServerConfig {
    let (cluster, k3s) = (request.cluster, &request.cluster.k3s);
    let with_secrets = request.secrets.is_some();
    let subnets = |subnets: &[crate::value::Subnet]| {
        subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    ServerConfig {
        // Where k3s makes its own authorities nobody has a kubeconfig that names anything but the node itself.
        tls_san: if with_secrets {
            cluster.all_tls_san().iter().map(ToString::to_string).collect()
        } else {
            Vec::new()
        },
        agent_token_file: with_secrets.then_some(AGENT_TOKEN),
        cluster_init: matches!(cluster.datastore, Datastore::Etcd) && !request.node.bootstrap_role.joins(),
        flannel_backend: (k3s.flannel_backend != FlannelBackend::Vxlan).then(|| k3s.flannel_backend.as_str()),
        disable: k3s.disable.iter().map(|component| component.as_str()).collect(),
        secrets_encryption: k3s.secrets_encryption,
        cluster_cidr: subnets(&k3s.cluster_cidr),
        service_cidr: subnets(&k3s.service_cidr),
        cluster_domain: k3s.cluster_domain.as_ref().map(ToString::to_string),
    }
}

/// The user's own settings, and how to get into the database.
fn more(request: &Request<'_>) -> Secret {
    let role = request.node.bootstrap_role.role();
    let mut text = String::new();
    if let (Role::Server, Datastore::External(external)) = (role, &request.cluster.datastore) {
        // Writing into a String cannot fail; the same holds below.
        let _ = writeln!(text, "datastore-endpoint: {}", quoted(external.endpoint.expose()));
        let client = external.client.as_ref();
        for (key, path) in [
            ("datastore-cafile", external.ca.as_ref().map(|_| DATABASE_CA)),
            ("datastore-certfile", client.map(|_| DATABASE_CERTIFICATE)),
            ("datastore-keyfile", client.map(|_| DATABASE_KEY)),
        ] {
            if let Some(path) = path {
                let _ = writeln!(text, "{key}: {}", quoted(path));
            }
        }
    }
    for (key, value) in &request.cluster.k3s.settings(role).0 {
        if key == flash_wear::KUBELET_ARG {
            text.push_str(&list(key, flash_wear::kubelet_args(request).iter().map(String::as_str)));
            continue;
        }
        let _ = match value {
            Setting::Text(value) => writeln!(text, "{key}: {}", quoted(value)),
            Setting::Number(value) => writeln!(text, "{key}: {value}"),
            Setting::Switch(value) => writeln!(text, "{key}: {value}"),
            Setting::List(values) => write!(text, "{}", list(key, values.iter().map(String::as_str))),
        };
    }
    Secret::new(text)
}

fn database_files(builder: &mut PlanBuilder, request: &Request<'_>) {
    let Datastore::External(external) = &request.cluster.datastore else { return };
    const REASON: &str = "for the database of the cluster";
    if let Some(ca) = &external.ca {
        builder.text(DATABASE_CA, 0o600, ca.clone(), REASON);
    }
    if let Some((certificate, key)) = &external.client {
        builder.text(DATABASE_CERTIFICATE, 0o600, certificate.clone(), REASON);
        builder.file(DATABASE_KEY, 0o600, Content::Secret(key.clone()), REASON);
    }
}

//! What firstboot needs to know of the node and its cluster.

use std::path::PathBuf;

use hc_firstboot::seed::{
    self, BundleFile, Clock, Cluster, Endpoint, InitServer, Join, K3s, Network, Node, Report, Role, Root,
    Secrets, Seed, ValueError, Workload,
};

use crate::cluster::{DataDir, DataDisk, Format, Link};
use crate::fs::ImagePath;
use crate::os::NetworkStack;
use crate::secrets::TOKEN;
use crate::source::artifact::Artifact;
use crate::value::{BootstrapRole, Host, VlanId};

use super::builder::PlanBuilder;
use super::contribution::Gathered;
use super::error::PlanError;
use super::network::{self, PI_WIRELESS, fixed};
use super::request::Request;

/// A Pi with a slow card takes minutes to import the images before its node is Ready.
const READY_SECONDS: u64 = 1800;
/// Boards may be switched on in any order, and somebody may still be flashing the first server's card.
const JOIN_SECONDS: u64 = 3600;
/// What the first server gives the others before it names those that are missing; they may join later all the same.
const WHOLE_SECONDS: u64 = 1800;
const WORKLOAD_SECONDS: u64 = 900;

pub(super) fn seed(
    builder: &PlanBuilder,
    request: &Request<'_>,
    gathered: &Gathered,
) -> Result<Seed, PlanError> {
    let (cluster, node) = (request.cluster, request.node);
    let modules = gathered.kernel_modules.iter().map(|module| module.name.to_owned()).collect();
    Ok(Seed {
        schema: seed::SCHEMA,
        node: Node { hostname: node.name.to_string() },
        cluster: Cluster {
            name: cluster.name.to_string(),
            api: cluster.api.as_ref().map(|host| endpoint("cluster.api", host)).transpose()?,
        },
        role: role(request, gathered)?,
        network: network(builder, request)?,
        clock: Clock {
            floor: u64::try_from(request.time).unwrap_or(0),
            ca_not_before: request.secrets.and_then(|secrets| u64::try_from(secrets.not_before).ok()),
            ntp: cluster.ntp.iter().map(ToString::to_string).collect(),
            wait_seconds: 60,
            require_ntp: false,
        },
        root: Root { grow: true },
        data_disk: node.data_disk.as_ref().map(data_disk),
        k3s: K3s { ready_seconds: READY_SECONDS, modules },
        // Every start of k3s needs its token and its password again: nothing on a card is for the first boot alone.
        secrets: Secrets::default(),
        report: Report { boot_dir: PathBuf::from(builder.facts.boot_dir.as_str()) },
        bundle: gathered.artifacts.iter().map(|(path, artifact)| bundle(path, artifact)).collect(),
    })
}

fn role(request: &Request<'_>, gathered: &Gathered) -> Result<Role, PlanError> {
    let cluster = request.cluster;
    let join = || -> Result<Join, PlanError> {
        let hosts = cluster.join_host();
        let servers = hosts.iter().map(|host| endpoint("role.servers", host)).collect::<Result<_, _>>()?;
        Ok(Join { servers, token_file: PathBuf::from(TOKEN), wait_seconds: JOIN_SECONDS })
    };
    Ok(match request.node.bootstrap_role {
        BootstrapRole::InitServer => Role::InitServer(InitServer {
            nodes: cluster.nodes.joining().iter().map(|node| node.name.to_string()).collect(),
            join_seconds: if cluster.nodes.joining().is_empty() { 0 } else { WHOLE_SECONDS },
            workload: Workload {
                addons: gathered.addons.clone(),
                charts: Vec::new(),
                deployments: Vec::new(),
                wait_seconds: WORKLOAD_SECONDS,
            },
        }),
        BootstrapRole::JoinServer => Role::Server(join()?),
        BootstrapRole::Agent => Role::Agent(join()?),
    })
}

fn network(builder: &PlanBuilder, request: &Request<'_>) -> Result<Network, PlanError> {
    let wanted = fixed(request);
    // Both sides check an address when it is parsed; they cannot disagree about one that this side has printed.
    let address = wanted.map(|network| network.address().to_string().parse()).transpose();
    Ok(Network {
        stack: stack(builder, request),
        interface: interface(builder, request)?,
        vlan: request.node.network.vlan().map(VlanId::get),
        address: address.map_err(|e: ValueError| unusable("network.address", &e))?,
        gateway: wanted.and_then(|network| network.gateway()),
        dns: wanted.map(|network| network.dns().to_vec()).unwrap_or_default(),
        arp_probe: true,
        wait_seconds: 120,
    })
}

fn endpoint(place: &str, host: &Host) -> Result<Endpoint, PlanError> {
    host.to_string().parse().map_err(|e: ValueError| unusable(place, &e))
}

fn unusable(place: &str, e: &ValueError) -> PlanError {
    PlanError::Seed(seed::SeedError::Value { place: place.to_owned(), problem: e.to_string() })
}

/// The interface by name; without one firstboot looks for a wired one.
fn interface(builder: &PlanBuilder, request: &Request<'_>) -> Result<Option<String>, PlanError> {
    let radio = matches!(request.node.network.link, Link::Wifi(_)) && fixed(request).is_some();
    let known = network::interface(builder, request)?.map(|name| name.to_string());
    Ok(known.or(radio.then(|| PI_WIRELESS.to_owned())))
}

/// The one network service, where firstboot can write its files: it knows those for Ethernet.
fn stack(builder: &PlanBuilder, request: &Request<'_>) -> Option<seed::Stack> {
    match builder.facts.network.as_slice() {
        _ if matches!(request.node.network.link, Link::Wifi(_)) => None,
        [NetworkStack::Dhcpcd] => Some(seed::Stack::Dhcpcd),
        [NetworkStack::NetworkManager] => Some(seed::Stack::NetworkManager),
        _ => None,
    }
}

fn data_disk(disk: &DataDisk) -> seed::DataDisk {
    seed::DataDisk {
        label: disk.label.to_string(),
        mount: disk.mount.as_path().to_owned(),
        required: disk.required,
        format: match disk.format {
            Format::Never => seed::Format::Never,
            Format::IfBlank => seed::Format::IfBlank,
        },
        // From power-on: a disk on USB may need half a minute to spin up and show itself.
        wait_seconds: if disk.required { 120 } else { 45 },
        dirs: disk.dirs.iter().map(dir).collect(),
    }
}

fn dir(dir: &DataDir) -> seed::Dir {
    let DataDir { path, mode, uid, gid } = dir;
    seed::Dir { path: PathBuf::from(path.as_str()), mode: mode.bits().into(), uid: *uid, gid: *gid }
}

fn bundle(path: &ImagePath, artifact: &Artifact) -> BundleFile {
    BundleFile {
        path: PathBuf::from(path.as_str()),
        size: artifact.size,
        unpacked_size: artifact.unpacked_size,
        sha256: artifact.sha256.to_string(),
    }
}

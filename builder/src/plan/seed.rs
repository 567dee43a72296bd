//! What firstboot needs to know of the node and its cluster.

use std::path::PathBuf;

use hc_common::network::NetworkStack;
use hc_firstboot::seed::{
    self, Admin, BundleFile, Clock, Cluster, Component, Endpoint, Etcd, InitServer, Join, K3s,
    NamespacedName, Network, Node, Report, Role, Root, Secrets, Seed, Workload,
};

use crate::cluster::{self, DataDir, DataDisk, Datastore, Format, Link, Setting};
use crate::formats::helm_chart;
use crate::fs::ImagePath;
use crate::overlays::{ActiveOverlay, Promise, PromiseKind};
use crate::secrets::{ADMIN_CERTIFICATE, ADMIN_KEY, TOKEN};
use crate::source::artifact::Artifact;
use crate::value::{BootstrapRole, InterfaceName, Role as NodeRole, Subnet};

use super::builder::PlanBuilder;
use super::contribution::Gathered;
use super::error::PlanError;
use super::network::{self, PI_WIRELESS, fixed};
use super::request::Request;

/// A Pi with a slow card takes minutes to import the images before its node is Ready.
const READY_SECONDS: u64 = 1800;
/// Boards may be switched on in any order, and somebody may still be flashing the first server's card.
const JOIN_SECONDS: u64 = 3600;
/// How long the other servers must be silent before the first one begins a new cluster. One that starts again, as after a
/// power cut, answers within this time: its kernel, its network, the clock gate and k3s take a slow Pi three minutes.
const SILENCE_SECONDS: u64 = 300;
/// What the first server gives the others before it names those that are missing; they may join later all the same.
const WHOLE_SECONDS: u64 = 1800;
/// Where images are not on the card, a slow line has to carry them.
const WORKLOAD_SECONDS: u64 = 1800;
/// An application that unpacks itself onto a slow card and fills its database takes longer.
const OVERLAY_SECONDS: u64 = 5400;

pub(super) fn seed(
    builder: &PlanBuilder,
    request: &Request<'_>,
    gathered: &Gathered,
) -> Result<Seed, PlanError> {
    let (cluster, node) = (request.cluster, request.node);
    let modules = gathered.kernel_modules.iter().map(|module| module.name.to_owned()).collect();
    Ok(Seed {
        schema: seed::SCHEMA,
        raw_disks: node.raw_disks.iter().map(PathBuf::from).collect(),
        node: Node { hostname: node.name.clone(), id: node.id.clone() },
        cluster: Cluster {
            name: cluster.name.to_string(),
            api: cluster.api.clone().map(Endpoint::of_api),
            networks: cluster_networks(cluster),
        },
        role: role(request, gathered),
        etcd: etcd(request),
        network: network(builder, request)?,
        clock: Clock {
            floor: u64::try_from(request.clock_floor).unwrap_or(0),
            ca_not_before: request.secrets.and_then(|secrets| u64::try_from(secrets.not_before?).ok()),
            ca_not_after: request.secrets.and_then(|secrets| u64::try_from(secrets.not_after?).ok()),
            ntp: cluster.ntp.clone(),
            wait_seconds: 60,
            require_ntp: false,
        },
        root: Root { grow: true },
        data_disk: node.data_disk.as_ref().map(data_disk),
        k3s: K3s {
            version: Some(request.k3s.version.to_string()),
            ready_seconds: READY_SECONDS,
            modules,
            images: images(request),
            external_datastore: matches!(cluster.datastore, Datastore::External(_))
                && node.bootstrap_role.role() == NodeRole::Server,
        },
        // Every start of k3s needs its token and its password again, so those stay.
        secrets: Secrets {
            remove: admin(request)
                .map(|Admin { certificate, key }| vec![certificate, key])
                .unwrap_or_default(),
        },
        packages: super::packages::seed(request),
        report: report(builder, cluster),
        bundle: gathered.artifacts.iter().map(|(path, artifact)| bundle(path, artifact)).collect(),
    })
}

fn report(builder: &PlanBuilder, cluster: &cluster::Cluster) -> Report {
    let with_key = cluster.users.iter().find(|user| !user.ssh_keys.is_empty());
    Report {
        boot_dir: PathBuf::from(builder.facts.boot_dir.as_str()),
        http: cluster.status_page.is_some(),
        minutes_after_ready: cluster
            .status_page
            .map(|page| page.minutes_after_ready.into())
            .unwrap_or_default(),
        ssh_user: with_key.map(|user| user.name.to_string()),
    }
}

/// Those of k3s itself are not among them: its releases name them in ways of their own.
fn images(request: &Request<'_>) -> Vec<String> {
    request.images.iter().flat_map(|bundle| &bundle.names).map(ToString::to_string).collect()
}

fn role(request: &Request<'_>, gathered: &Gathered) -> Role {
    let cluster = request.cluster;
    match request.node.bootstrap_role {
        BootstrapRole::InitServer => Role::InitServer(InitServer {
            nodes: cluster.nodes.joining().iter().map(|node| node.kube_name.clone()).collect(),
            join_seconds: if cluster.nodes.joining().is_empty() { 0 } else { WHOLE_SECONDS },
            workload: workload(cluster, gathered),
        }),
        BootstrapRole::JoinServer => Role::Server(join(request)),
        BootstrapRole::Agent => Role::Agent(join(request)),
    }
}

/// What is to run: what k3s brings, what is applied, and what overlays promise.
fn workload(cluster: &cluster::Cluster, gathered: &Gathered) -> Workload {
    let promises: Vec<Promise> = cluster.overlays.iter().flat_map(ActiveOverlay::promises).collect();
    let promised = |kind: PromiseKind| -> Vec<NamespacedName> {
        promises.iter().filter(|promise| promise.kind == kind).map(|promise| promise.name.clone()).collect()
    };
    let of_overlays = cluster.charts.iter().filter(|chart| chart.overlay.is_some());
    Workload {
        components: components(&cluster.k3s),
        addons: gathered.addons.clone(),
        charts: of_overlays
            .filter_map(|chart| format!("{}/{}", helm_chart::NAMESPACE, chart.release).parse().ok())
            .collect(),
        deployments: promised(PromiseKind::Deployment),
        stateful_sets: promised(PromiseKind::StatefulSet),
        daemon_sets: promised(PromiseKind::DaemonSet),
        load_balancers: promised(PromiseKind::LoadBalancer),
        certificates: promised(PromiseKind::Certificate),
        wait_seconds: if cluster.overlays.is_empty() { WORKLOAD_SECONDS } else { OVERLAY_SECONDS },
    }
}

/// The components of k3s that will run pods: none where the user runs the controllers elsewhere, and Traefik only with the
/// controller that installs charts.
fn components(k3s: &cluster::K3s) -> Vec<Component> {
    use cluster::Component as Packaged;
    let is_on = |key: &str| k3s.server.0.get(key) == Some(&Setting::Switch(true));
    if is_on("disable-controller-manager") || is_on("disable-scheduler") {
        return Vec::new();
    }
    let pods = [
        (Packaged::Coredns, Component::Coredns),
        (Packaged::LocalStorage, Component::LocalStorage),
        (Packaged::MetricsServer, Component::MetricsServer),
        (Packaged::Servicelb, Component::Servicelb),
        (Packaged::Traefik, Component::Traefik),
    ];
    let charts = !is_on("disable-helm-controller");
    let runs =
        |packaged: &Packaged| !k3s.disable.contains(packaged) && (charts || *packaged != Packaged::Traefik);
    pods.into_iter().filter(|(packaged, _)| runs(packaged)).map(|(_, component)| component).collect()
}

fn join(request: &Request<'_>) -> Join {
    let addresses = request.cluster.join_addresses(request.node);
    let servers = addresses.iter().map(|at| Endpoint::new(at.host().clone(), at.port())).collect();
    Join { servers, token_file: PathBuf::from(TOKEN), wait_seconds: JOIN_SECONDS }
}

/// Without secrets of the cluster nothing pins its authorities, so nobody can be asked.
fn etcd(request: &Request<'_>) -> Option<Etcd> {
    let (cluster, node) = (request.cluster, request.node);
    if !matches!(cluster.datastore, Datastore::Etcd) || node.bootstrap_role.role() != NodeRole::Server {
        return None;
    }
    let asks = request.secrets.is_some() && node.bootstrap_role == BootstrapRole::InitServer;
    let partners = Some(join(request)).filter(|join| asks && !join.servers.is_empty());
    Some(Etcd { silence_seconds: SILENCE_SECONDS, partners, admin: admin(request) })
}

fn admin(request: &Request<'_>) -> Option<Admin> {
    let is_there = request.secrets?.files.iter().any(|file| file.path == ADMIN_KEY);
    is_there.then(|| Admin { certificate: PathBuf::from(ADMIN_CERTIFICATE), key: PathBuf::from(ADMIN_KEY) })
}

fn network(builder: &PlanBuilder, request: &Request<'_>) -> Result<Network, PlanError> {
    let node = request.node;
    Ok(Network {
        stack: stack(builder, request),
        link: link(builder, request)?,
        interface: node.network.interface.clone(),
        mac: node.mac,
        search: request.cluster.domain.clone(),
        vlan: node.network.vlan(),
        more_addresses: node.network.more_addresses.clone(),
        routes: node.network.routes.clone(),
        mtu: node.network.mtu,
        arp_probe: true,
        wait_seconds: 120,
        fixed: fixed(request).cloned(),
    })
}

/// The interface by name; without one firstboot looks for a wired one.
fn link(builder: &PlanBuilder, request: &Request<'_>) -> Result<Option<InterfaceName>, PlanError> {
    let radio = matches!(request.node.network.link, Link::Wifi(_)) && fixed(request).is_some();
    let known = network::interface(builder, request)?;
    Ok(known.or(PI_WIRELESS.parse().ok().filter(|_| radio)))
}

/// The one network service, whose files firstboot can change, too. It knows those for Ethernet.
fn stack(builder: &PlanBuilder, request: &Request<'_>) -> Option<NetworkStack> {
    match builder.facts.network.as_slice() {
        _ if matches!(request.node.network.link, Link::Wifi(_)) => None,
        [stack] => Some(*stack),
        _ => None,
    }
}

/// The networks of pods and services.
fn cluster_networks(cluster: &cluster::Cluster) -> Vec<Subnet> {
    cluster.k3s.pod_networks().into_iter().chain(cluster.k3s.service_networks()).collect()
}

fn data_disk(disk: &DataDisk) -> seed::DataDisk {
    seed::DataDisk {
        label: disk.label.clone(),
        mount: disk.mount.clone(),
        datastore: disk.datastore,
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
    seed::Dir { path: path.clone(), mode: mode.bits().into(), uid: *uid, gid: *gid }
}

fn bundle(path: &ImagePath, artifact: &Artifact) -> BundleFile {
    BundleFile {
        path: PathBuf::from(path.as_str()),
        size: artifact.size,
        unpacked_size: artifact.unpacked_size,
        sha256: artifact.sha256.to_string(),
    }
}

//! Nodes of a cluster, each a machine, on one network: started together, watched, and switched off.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use hc_common::value::MacAddress;

use crate::interrupt::Interrupt;

use super::acceleration::Accelerator;
use super::attachment::{Identity, NamedDisk};
use super::boot::Status;
use super::disks::{blank, data_disk, named, overlay};
use super::junit::Case;
use super::lab::LabNetwork;
use super::machine::{Disk, Machine, Start};
use super::node_image::NodeImage;
use super::running_node::RunningNode;
use super::service::{Service, services};
use super::subnet::Router;
use super::vm::{Vm, VmError, io_error};

/// How nodes are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Memory of each node in MiB; none for what its role needs.
    pub memory: Option<u32>,
    /// Processors of each node.
    pub cpus: u32,
    /// What starts the kernels.
    pub start: Start,
    /// Whether the nodes have a way out, through this computer and as it.
    pub is_online: bool,
    /// A disk to use instead of new data disks; the nodes write to it.
    pub data_disk: Option<PathBuf>,
}

/// Memory of a server in MiB: k3s with its packaged components takes 1.6 GiB under load (k3s' resource profiling).
const OF_SERVER: u32 = 2048;

/// Memory of an agent in MiB.
const OF_AGENT: u32 = 1024;

/// Memory of QEMU's own Raspberry Pi 3 in MiB, which takes no other.
const OF_RASPBERRY_PI: u32 = 1024;

/// The size of the cards and of new data disks in bytes: as small cards are. What is not written takes no room.
const CARD: u64 = 16 << 30;

impl Settings {
    /// The memory of a node in MiB.
    pub fn memory_of(&self, node: &NodeImage) -> u32 {
        if node.board.qemu.device_tree.is_some() {
            return OF_RASPBERRY_PI;
        }
        self.memory.unwrap_or(if node.is_server() { OF_SERVER } else { OF_AGENT })
    }
}

/// Nodes on one network. Dropped, all of them are killed.
#[derive(Debug)]
pub struct Cluster {
    /// In the order in which they were given.
    pub nodes: Vec<RunningNode>,
    /// The network, with its router.
    pub router: Router,
    /// What runs the instructions of each kind of processor, and why.
    pub accelerators: BTreeMap<String, (Accelerator, String)>,
    network: LabNetwork,
    begun: Instant,
}

impl Cluster {
    /// Starts all nodes. Their disks and consoles are files in `dir`; the images are only read.
    ///
    /// # Errors
    /// Where the nodes cannot be on one network, or one of them does not start; then none runs.
    pub fn start(
        images: Vec<NodeImage>,
        settings: &Settings,
        dir: &Path,
        interrupt: &Interrupt,
    ) -> Result<Self, VmError> {
        let networks: Vec<_> = images.iter().map(|node| (node.name(), &node.seed.network)).collect();
        let router = Router::for_nodes(&networks)?;
        let Some(first) = images.first() else { return Err(VmError::NoNodes) };
        let network = LabNetwork::start(&router, settings.is_online, &first.board)?;
        let services = services(&images);
        let (nodes, accelerators) = (Vec::new(), BTreeMap::new());
        let mut cluster = Self { nodes, router, accelerators, network, begun: Instant::now() };
        for (number, (image, services)) in images.into_iter().zip(services).enumerate() {
            let node = cluster.switch_on(number, image, services, settings, dir, interrupt)?;
            cluster.nodes.push(node);
        }
        cluster.forward_ports()?;
        Ok(cluster)
    }

    fn switch_on(
        &mut self,
        number: usize,
        image: NodeImage,
        services: Vec<Service>,
        settings: &Settings,
        dir: &Path,
        interrupt: &Interrupt,
    ) -> Result<RunningNode, VmError> {
        let name = image.name();
        let console = named(dir, name, ".console");
        let log = File::options().write(true).create_new(true).open(&console);
        let log = log.map_err(io_error("making the file for a console"))?;
        let wanted = image.seed.data_disk.as_ref().filter(|disk| disk.required);
        let data = match (&settings.data_disk, wanted) {
            (Some(given), _) => Some(Disk::raw(given)),
            (None, Some(wanted)) => Some(data_disk(wanted, CARD, named(dir, name, ".data.img"))?),
            (None, None) => None,
        };
        let named_disks = raw_disks(&image, dir)?;
        let mac = image.seed.network.mac.map_or_else(|| mac(number, &image), Ok)?;
        let (accelerator, _) = self
            .accelerators
            .entry(image.board.architecture.to_string())
            .or_insert_with(|| Accelerator::choose(&image.board));
        let machine = Machine {
            board: &image.board,
            disk: overlay(&image.path, CARD, named(dir, name, ".qcow2"))?,
            image: Some(&image.path),
            start: settings.start,
            disks: data.into_iter().collect(),
            named_disks,
            memory: settings.memory_of(&image),
            cpus: settings.cpus,
            accelerator: *accelerator,
            network: self.network.network(mac)?,
            clock: None,
        };
        let vm = Vm::start(machine, interrupt)?;
        Ok(RunningNode::new(image, vm, mac, services, (console, log)))
    }

    /// Takes what has happened since, without waiting: passes on each line of a console with its node's name, and says
    /// which nodes have got further.
    ///
    /// # Errors
    /// Where a port cannot be forwarded to a node whose address is known now.
    pub fn poll(&mut self, mut see: impl FnMut(&str, &str)) -> Result<Vec<usize>, VmError> {
        let at = self.seconds();
        let mut changed = Vec::new();
        for (number, node) in self.nodes.iter_mut().enumerate() {
            if node.poll(at, &mut see) {
                changed.push(number);
            }
            if node.address.is_none() {
                node.address = self.network.address_of(node.mac);
            }
        }
        self.forward_ports()?;
        Ok(changed)
    }

    fn forward_ports(&mut self) -> Result<(), VmError> {
        for node in &mut self.nodes {
            let Some(address) = node.address else { continue };
            for service in node.services.drain(..) {
                let port = self.network.forward(SocketAddrV4::new(address, service.port()))?;
                node.ports.insert(service, port);
            }
        }
        Ok(())
    }

    /// Presses all power buttons and waits until the nodes are off, for so long at most, or until it is asked once more to
    /// stop. Those that are left are killed; their names are given back.
    pub fn power_off(&mut self, within: Duration, interrupt: &Interrupt) -> Vec<String> {
        for node in &mut self.nodes {
            if let Some(vm) = &mut node.vm
                && vm.press_button().is_ok()
            {
                node.boot.status = Status::Off;
            }
        }
        let deadline = Instant::now() + within;
        while self.is_running() && Instant::now() < deadline && !interrupt.take() {
            let at = self.seconds();
            for node in &mut self.nodes {
                node.poll(at, &mut |_, _| {});
            }
            thread::sleep(Duration::from_millis(50));
        }
        self.nodes
            .iter_mut()
            .filter_map(|node| node.vm.take().map(|_| node.image.name().to_owned()))
            .collect()
    }

    /// Whether any machine still runs.
    pub fn is_running(&self) -> bool {
        self.nodes.iter().any(|node| node.vm.is_some())
    }

    /// How long ago the nodes were switched on, in seconds.
    pub fn seconds(&self) -> u64 {
        self.begun.elapsed().as_secs()
    }

    /// The port of 127.0.0.1 behind which a service of the cluster is, and its node.
    pub fn port(&self, service: Service) -> Option<(&RunningNode, u16)> {
        self.nodes.iter().find_map(|node| Some((node, *node.ports.get(&service)?)))
    }

    /// What became of each node, for a report.
    pub fn cases(&self) -> Vec<Case> {
        let now = self.seconds();
        self.nodes.iter().map(|node| node.case(now)).collect()
    }
}

/// A blank disk for each that something in the cluster takes whole.
fn raw_disks(image: &NodeImage, dir: &Path) -> Result<Vec<NamedDisk>, VmError> {
    let is_board = image.board.qemu.device_tree.is_some();
    (1..)
        .zip(&image.seed.raw_disks)
        .map(|(number, path)| {
            let identity = Identity::of(path).filter(|_| !is_board);
            let identity = identity
                .ok_or_else(|| VmError::RawDisk { node: image.name().to_owned(), path: path.clone() })?;
            let disk = blank(CARD, named(dir, image.name(), &format!(".disk-{number}.img")))?;
            Ok(NamedDisk { disk, identity })
        })
        .collect()
}

/// A hardware address for a node: of the range that QEMU uses; on USB of Raspberry Pi's own, since Linux calls cards with
/// addresses of nobody's range `usb0`, others `eth0`.
fn mac(number: usize, image: &NodeImage) -> Result<MacAddress, VmError> {
    let range = if image.board.qemu.device_tree.is_some() { "b8:27:eb" } else { "52:54:00" };
    let [.., high, low] = number.saturating_add(1).to_be_bytes();
    let text = format!("{range}:00:{high:02x}:{low:02x}");
    text.parse().map_err(|bad| VmError::Io { what: text.clone(), source: std::io::Error::other(bad) })
}

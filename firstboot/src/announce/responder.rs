//! The node's own voice, where no program of the base speaks multicast DNS: the crate mdns-sd, which probes for the name, takes
//! another one where it is taken, and says goodbye.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};

use super::service::{SERVICE_TYPE, Service};

/// How long a goodbye may take: it is sent at once, and once more.
const GOODBYE: Duration = Duration::from_secs(2);

/// A responder that runs in its own thread.
pub(super) struct Responder {
    daemon: ServiceDaemon,
    /// The addresses on whose interfaces it speaks: those of the node, and not of its pods.
    addresses: BTreeSet<IpAddr>,
    said: Option<(Service, String)>,
}

impl Responder {
    /// Takes the port and says nothing yet.
    pub(super) fn start() -> io::Result<Self> {
        let daemon = ServiceDaemon::new().map_err(io::Error::other)?;
        daemon.disable_interface(IfKind::All).map_err(io::Error::other)?;
        Ok(Self { daemon, addresses: BTreeSet::new(), said: None })
    }

    /// Publishes the service on the interfaces of these addresses, or changes what is published.
    pub(super) fn publish(&mut self, service: &Service, addresses: &[IpAddr]) -> io::Result<()> {
        let wanted: BTreeSet<IpAddr> = addresses.iter().copied().collect();
        for gone in self.addresses.difference(&wanted) {
            self.daemon.disable_interface(IfKind::Addr(*gone)).map_err(io::Error::other)?;
        }
        for new in wanted.difference(&self.addresses) {
            self.daemon.enable_interface(IfKind::Addr(*new)).map_err(io::Error::other)?;
        }
        self.addresses = wanted;
        if self.addresses.is_empty() || self.said.as_ref().is_some_and(|(said, _)| said == service) {
            return Ok(());
        }
        let info = info(service)?;
        let name = info.get_fullname().to_owned();
        self.daemon.register(info).map_err(io::Error::other)?;
        self.said = Some((service.clone(), name));
        Ok(())
    }

    /// Says goodbye, and ends.
    pub(super) fn withdraw(self) {
        if let Some((_, name)) = &self.said
            && let Ok(done) = self.daemon.unregister(name)
        {
            // Without an answer in time the records run out by themselves.
            let _ = done.recv_timeout(GOODBYE);
        }
        if let Ok(done) = self.daemon.shutdown() {
            let _ = done.recv_timeout(GOODBYE);
        }
    }
}

/// The host of the service is a name of its own, which leaves `pi-1.local` to the base, and to what is installed later. Its end is
/// no number: where another machine has the name, mdns-sd counts up a number at the end, and `pi-1` would become its neighbour.
const HOST_SUFFIX: &str = "-hcimage";

/// A DNS label has 63 bytes; some are left for a number.
const MAX_NODE: usize = 63 - HOST_SUFFIX.len() - 4;

fn host(node: &str) -> String {
    let node: String = node.chars().take(MAX_NODE).collect();
    format!("{node}{HOST_SUFFIX}.local.")
}

fn info(service: &Service) -> io::Result<ServiceInfo> {
    let (ty, host) = (format!("{SERVICE_TYPE}.local."), host(&service.node));
    let info = ServiceInfo::new(&ty, &service.node, &host, "", service.port(), service.txt.as_slice());
    Ok(info.map_err(io::Error::other)?.enable_addr_auto())
}

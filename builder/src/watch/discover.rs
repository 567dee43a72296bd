//! Nodes that answer by DNS-SD, as hc-firstboot announces them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use hc_firstboot::announce::SERVICE_TYPE;
use mdns_sd::{ResolvedService, ServiceDaemon, ServiceEvent};

/// More addresses than that no node has.
const MOST_ADDRESSES: usize = 4;

/// What was heard so far: only of the nodes that are watched, so that no stranger can fill it.
#[derive(Clone)]
pub(super) struct Discovered {
    addresses: Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>,
    daemon: Result<ServiceDaemon, String>,
}

impl Discovered {
    /// Begins to listen for nodes with these names. Where that is not possible, [`Discovered::trouble`] says why.
    pub(super) fn start(names: Vec<String>) -> Self {
        let addresses = Arc::new(Mutex::new(names.into_iter().map(|name| (name, Vec::new())).collect()));
        let heard = Arc::clone(&addresses);
        let daemon = browse(move |service| take(&mut lock(&heard), service));
        Self { addresses, daemon: daemon.map_err(|e| e.to_string()) }
    }

    /// Where a node is, as it was heard last.
    pub(super) fn addresses(&self, name: &str) -> Vec<IpAddr> {
        lock(&self.addresses).get(name).cloned().unwrap_or_default()
    }

    /// Why nothing is heard.
    pub(super) fn trouble(&self) -> Option<String> {
        self.daemon.as_ref().err().cloned()
    }

    pub(super) fn end(&self) {
        if let Ok(daemon) = &self.daemon {
            // It ends with the program at the latest.
            let _ = daemon.shutdown();
        }
    }
}

type Addresses = BTreeMap<String, Vec<IpAddr>>;

fn lock(addresses: &Mutex<Addresses>) -> MutexGuard<'_, Addresses> {
    addresses.lock().unwrap_or_else(PoisonError::into_inner)
}

fn browse(heard: impl Fn(&ResolvedService) + Send + 'static) -> mdns_sd::Result<ServiceDaemon> {
    let daemon = ServiceDaemon::new()?;
    let events = daemon.browse(&format!("{SERVICE_TYPE}.local."))?;
    thread::spawn(move || {
        // Ends with the daemon.
        while let Ok(event) = events.recv() {
            if let ServiceEvent::ServiceResolved(service) = event {
                heard(&service);
            }
        }
    });
    Ok(daemon)
}

/// The newest word comes first: a node may have got another address. What a stranger says comes beside it, not in its place.
fn take(addresses: &mut Addresses, service: &ResolvedService) {
    let name = service.txt_properties.get_property_val_str("node");
    let Some(known) = name.and_then(|name| addresses.get_mut(name)) else { return };
    let mut heard: Vec<IpAddr> =
        service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr).filter(is_usable).collect();
    // IPv4 first, then in the order of numbers.
    heard.sort_unstable();
    known.retain(|old| !heard.contains(old));
    known.splice(0..0, heard);
    known.truncate(MOST_ADDRESSES);
}

/// A link-local address of IPv6 needs an interface beside it, which no URL has.
fn is_usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_multicast() && !address.is_unspecified(),
        IpAddr::V6(address) => {
            !address.is_loopback() && !address.is_multicast() && !address.is_unicast_link_local()
        }
    }
}

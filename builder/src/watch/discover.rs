//! Nodes that answer by DNS-SD, as hc-firstboot announces them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use hc_firstboot::announce::SERVICE_TYPE;
use mdns_sd::{ResolvedService, ServiceDaemon, ServiceEvent};

/// So many addresses of a node are asked. Fewer would do, but strangers may announce a node's name too.
const MOST_ADDRESSES: usize = 8;

/// What was heard so far: only of the nodes that are watched, so that no stranger can fill it.
#[derive(Clone)]
pub(super) struct Discovered {
    places: Arc<Mutex<Places>>,
    daemon: Result<ServiceDaemon, String>,
}

impl Discovered {
    /// Begins to listen for nodes with these names. Where that is not possible, [`Discovered::trouble`] says why.
    pub(super) fn start(names: Vec<String>) -> Self {
        let places = names.into_iter().map(|name| (name, Place::default())).collect();
        let places = Arc::new(Mutex::new(places));
        let all = Arc::clone(&places);
        let daemon = browse(move |service| {
            let name = service.txt_properties.get_property_val_str("node").unwrap_or_default();
            if let Some(place) = lock(&all).get_mut(name) {
                place.hear(service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr));
            }
        });
        Self { places, daemon: daemon.map_err(|e| e.to_string()) }
    }

    /// Where a node may be, the likeliest first.
    pub(super) fn addresses(&self, name: &str) -> Vec<IpAddr> {
        lock(&self.places).get(name).map(Place::addresses).unwrap_or_default()
    }

    /// Who answers there has the node's name.
    pub(super) fn has_answered(&self, name: &str, address: IpAddr) {
        if let Some(place) = lock(&self.places).get_mut(name) {
            place.answered = Some(address);
        }
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

type Places = BTreeMap<String, Place>;

/// Where a node may be.
#[derive(Debug, Default)]
struct Place {
    /// Where somebody of its name has answered last. What others announce does not push it out.
    answered: Option<IpAddr>,
    heard: Vec<IpAddr>,
}

impl Place {
    /// The newest word comes first: a node may have got another address. What a stranger says comes beside it, not in its place.
    fn hear(&mut self, addresses: impl Iterator<Item = IpAddr>) {
        let mut heard: Vec<IpAddr> = addresses.filter(is_usable).collect();
        // IPv4 first, then in the order of numbers.
        heard.sort_unstable();
        self.heard.retain(|old| !heard.contains(old));
        self.heard.splice(0..0, heard);
        self.heard.truncate(MOST_ADDRESSES);
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let others = self.heard.iter().copied().filter(|address| Some(*address) != self.answered);
        self.answered.into_iter().chain(others).collect()
    }
}

fn lock(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
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

/// A link-local address of IPv6 needs an interface beside it, which no URL has.
fn is_usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_multicast() && !address.is_unspecified(),
        IpAddr::V6(address) => {
            !address.is_loopback() && !address.is_multicast() && !address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_has_answered_is_not_pushed_out() {
        let own: IpAddr = "10.0.0.7".parse().unwrap();
        let mut place = Place::default();
        place.hear([own, "fe80::1".parse().unwrap(), "127.0.0.1".parse().unwrap()].into_iter());
        assert_eq!(place.addresses(), [own]);
        place.answered = Some(own);
        for round in 0..10_u8 {
            place.hear((0..200_u8).map(|last| IpAddr::from([10, 9, round, last])));
            assert_eq!(place.addresses().first(), Some(&own));
            assert!(place.addresses().len() <= MOST_ADDRESSES + 1);
        }
        // The node itself has got another one: it is asked too.
        let new: IpAddr = "10.0.0.8".parse().unwrap();
        place.hear([new].into_iter());
        assert_eq!(place.addresses()[..2], [own, new]);
    }
}

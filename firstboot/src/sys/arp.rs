//! ARP probes on a real network.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use pnet_datalink::{Channel, Config, MacAddr, NetworkInterface};

use crate::arp::{self, Mac, contender};

/// The number of probes, as in RFC 5227.
const PROBES: u32 = 3;

/// The wait after each probe. The RFC's one to two seconds are for slower links; NetworkManager and dhcpcd also use
/// 200 ms. A later answer is found by the next check, because the network is checked more than once.
const PAUSE: Duration = Duration::from_millis(300);

/// The other host that uses the address or probes for it.
fn probe_once(link: &NetworkInterface, own: Mac, address: Ipv4Addr) -> io::Result<Option<Mac>> {
    let config = Config {
        read_timeout: Some(Duration::from_millis(50)),
        write_timeout: Some(PAUSE),
        promiscuous: false,
        ..Config::default()
    };
    let Channel::Ethernet(mut sender, mut receiver) = pnet_datalink::channel(link, config)? else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    for _ in 0..PROBES {
        sender.send_to(&arp::probe(own, address), None).ok_or(io::ErrorKind::WriteZero)??;
        let sent = Instant::now();
        while sent.elapsed() < PAUSE {
            match receiver.next() {
                Ok(frame) => {
                    if let Some(other) = contender(frame, own, address) {
                        return Ok(Some(other));
                    }
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(None)
}

/// Reads the interface's index and MAC address from sysfs, then probes.
pub(super) fn probe(interface: &str, address: Ipv4Addr) -> io::Result<Option<Mac>> {
    let fact = |name: &str| fs::read_to_string(format!("/sys/class/net/{interface}/{name}"));
    let index = fact("ifindex")?.trim().parse().map_err(io::Error::other)?;
    let own: MacAddr = fact("address")?.trim().parse().map_err(io::Error::other)?;
    let link = NetworkInterface {
        name: interface.to_owned(),
        description: String::new(),
        index,
        mac: Some(own),
        ips: Vec::new(),
        flags: 0,
    };
    probe_once(&link, Mac(own.octets()), address)
}

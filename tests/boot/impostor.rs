//! Another machine that has a node's address: a port of the switch that only answers ARP.

use std::net::{Ipv4Addr, Shutdown};
use std::os::unix::net::UnixStream;
use std::thread;

use hcimage::run::switch::{receive, send};

/// Its hardware address.
const MAC: [u8; 6] = [0x02, 0xba, 0xdb, 0xad, 0x00, 0x01];

/// The same as firstboot shows it.
pub(crate) const SHOWN_MAC: &str = "02:ba:db:ad:00:01";

/// Answers until it is dropped.
pub(crate) struct Impostor(UnixStream);

impl Impostor {
    /// Takes `address` on the network of the switch that has this port.
    pub(crate) fn new(stream: UnixStream, address: Ipv4Addr) -> Self {
        let mut port = stream.try_clone().unwrap();
        thread::spawn(move || {
            while let Ok(frame) = receive(&mut port) {
                if let Some(answer) = answer(&frame, address) {
                    let _ = send(&port, &answer);
                }
            }
        });
        Self(stream)
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// The answer to an ARP request for `address` (RFC 826), a probe (RFC 5227) included.
fn answer(frame: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    const ARP: [u8; 2] = [0x08, 0x06];
    // Ethernet, IPv4, 6 and 4 bytes of address, request.
    const REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
    let asks = frame.get(12..14)? == ARP && frame.get(14..22)? == REQUEST;
    if !asks || frame.get(38..42)? != address.octets() {
        return None;
    }
    let asker = frame.get(6..12)?;
    let mut answer = [asker, &MAC, &ARP, &[0, 1, 8, 0, 6, 4, 0, 2], &MAC, &address.octets()].concat();
    answer.extend_from_slice(frame.get(22..32)?);
    answer.resize(60, 0);
    Some(answer)
}

//! ARP packets for the detection of address conflicts (RFC 826; RFC 5227, 1.1 and 2.1.1).

use std::fmt;
use std::net::Ipv4Addr;

/// The size of an Ethernet frame with an ARP packet for IPv4, without padding, in bytes.
pub const FRAME: usize = 42;

/// EtherType of ARP.
const ETHERTYPE: [u8; 2] = [0x08, 0x06];

/// Hardware type Ethernet, protocol type IPv4, address lengths 6 and 4.
const KIND: [u8; 6] = [0x00, 0x01, 0x08, 0x00, 6, 4];

const REQUEST: [u8; 2] = [0, 1];

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, last] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{last:02x}")
    }
}

/// An ARP probe for `address`, which claims nothing: the sender's protocol address is zero.
pub fn probe(own: Mac, address: Ipv4Addr) -> Vec<u8> {
    let parts: [&[u8]; 9] = [
        &[0xff; 6],
        &own.0,
        &ETHERTYPE,
        &KIND,
        &REQUEST,
        &own.0,
        &Ipv4Addr::UNSPECIFIED.octets(),
        &[0; 6],
        &address.octets(),
    ];
    parts.concat()
}

/// The host that conflicts over `address`, by this frame: it uses the address (an ARP packet with it as the sender's), or
/// probes for it at the same time. `None` if the frame is about something else, or our own.
pub fn contender(frame: &[u8], own: Mac, address: Ipv4Addr) -> Option<Mac> {
    let packet = frame.first_chunk::<FRAME>()?;
    let part = |at: usize, length: usize| packet.get(at..at.checked_add(length)?);
    if part(12, 2)? != ETHERTYPE || part(14, 6)? != KIND {
        return None;
    }
    let sender = Mac(part(22, 6)?.try_into().ok()?);
    let (sender_ip, target_ip) = (part(28, 4)?, part(38, 4)?);
    let uses = sender_ip == address.octets();
    let probes = part(20, 2)? == REQUEST && sender_ip == [0; 4] && target_ip == address.octets();
    (sender != own && (uses || probes)).then_some(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0xab, 2]);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

    /// A reply or request in the format of RFC 826.
    fn packet(operation: u8, sender: Mac, sender_ip: [u8; 4], target_ip: [u8; 4]) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend(sender.0);
        frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
        frame.extend(sender.0);
        frame.extend(sender_ip);
        frame.extend([0; 6]);
        frame.extend(target_ip);
        frame
    }

    #[test]
    fn a_probe_has_a_zero_sender_address() {
        assert_eq!(probe(OWN, ADDRESS), packet(1, OWN, [0; 4], [10, 0, 0, 7]));
        assert_eq!(probe(OWN, ADDRESS).len(), FRAME);
    }

    #[test]
    fn only_a_user_or_a_prober_of_the_address_is_a_conflict() {
        let (ours, theirs) = ([10, 0, 0, 7], [10, 0, 0, 9]);
        let mut padded = packet(2, OTHER, ours, [0; 4]);
        padded.resize(60, 0);
        let mut no_arp = packet(2, OTHER, ours, ours);
        no_arp[12..14].copy_from_slice(&[8, 0]);
        let table = [
            (padded, Some(OTHER), "a reply, padded to the shortest frame"),
            (packet(1, OTHER, ours, ours), Some(OTHER), "an announcement"),
            (packet(1, OTHER, ours, theirs), Some(OTHER), "a request from the host that has it"),
            (packet(1, OTHER, [0; 4], ours), Some(OTHER), "a probe at the same moment"),
            (packet(1, OTHER, theirs, ours), None, "a request for our address from another one"),
            (packet(1, OTHER, [0; 4], theirs), None, "a probe for another address"),
            (packet(1, OWN, [0; 4], ours), None, "our own probe, come back"),
            (packet(2, OTHER, ours, [0; 4])[..41].to_vec(), None, "truncated"),
            (no_arp, None, "not ARP"),
            (Vec::new(), None, "nothing"),
        ];
        for (frame, expected, what) in table {
            assert_eq!(contender(&frame, OWN, ADDRESS), expected, "{what}");
        }
        assert_eq!(OTHER.to_string(), "02:00:00:00:ab:02");
    }
}

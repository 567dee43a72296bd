//! An Ethernet switch in this process, whose ports are ends of socket pairs. QEMU inherits its end as a file descriptor, so
//! there is no file that somebody else could open, no path that could be too long, and nothing to wait for. Nothing leaves
//! this computer, and no rights are needed.
//!
//! QEMU sends each frame with its length before it, 4 bytes big endian (QEMU, `net/stream.c`, and qapi/net.json for the
//! options).

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Larger than any frame with the usual 1500 bytes of payload, and than what virtio's offloads put together.
const LONGEST_FRAME: usize = 128 * 1024;

/// So many frames wait for a machine that does not take them; further ones are lost, as on a real switch.
const MOST_WAITING: usize = 256;

/// So many hardware addresses are remembered: a machine may send from as many as it likes.
const MOST_SEEN: usize = 4096;

/// A hardware address.
type Mac = [u8; 6];

/// A running switch. It learns which address is behind which port: a hub would not do, since QEMU's router answers for
/// whatever address it hears of. Dropped, it closes all ports.
#[derive(Debug, Default)]
pub struct Switch {
    ports: Arc<Mutex<Ports>>,
}

impl Switch {
    /// A switch with nothing plugged in.
    pub fn new() -> Self {
        Self::default()
    }

    /// The free end of a new port. It is pulled out when every copy of that end is closed.
    ///
    /// # Errors
    /// Where the system gives no more sockets or threads.
    pub fn plug_in(&self) -> io::Result<UnixStream> {
        let (own, free) = UnixStream::pair()?;
        let (reader, writer) = (own.try_clone()?, own.try_clone()?);
        let (frames, waiting) = mpsc::sync_channel(MOST_WAITING);
        let port = locked(&self.ports).plug_in(own, frames);
        thread::Builder::new().name("switch".to_owned()).spawn(move || deliver(&writer, &waiting))?;
        let ports = Arc::clone(&self.ports);
        thread::Builder::new().name("switch".to_owned()).spawn(move || {
            serve(reader, port, &ports);
            locked(&ports).pull_out(port);
        })?;
        Ok(free)
    }

    /// The first IPv4 address that a machine with this hardware address has used, as its ARP says.
    pub fn address_of(&self, mac: [u8; 6]) -> Option<Ipv4Addr> {
        locked(&self.ports).addresses.get(&mac).copied()
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        locked(&self.ports).close();
    }
}

/// One port, until its machine ends or sends what is no frame.
fn serve(mut stream: UnixStream, port: usize, ports: &Mutex<Ports>) {
    while let Ok(frame) = receive(&mut stream) {
        locked(ports).pass_on(port, &frame.into());
    }
}

/// The other direction: a machine that takes no frames holds up only this.
fn deliver(stream: &UnixStream, waiting: &Receiver<Arc<[u8]>>) {
    for frame in waiting {
        if send(stream, &frame).is_err() {
            return;
        }
    }
}

/// A thread that panicked has left whole values.
fn locked(ports: &Mutex<Ports>) -> MutexGuard<'_, Ports> {
    ports.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Port {
    number: usize,
    stream: UnixStream,
    frames: SyncSender<Arc<[u8]>>,
}

/// What is plugged in, behind which port each hardware address was seen, and which address it has.
#[derive(Debug, Default)]
struct Ports {
    open: Vec<Port>,
    count: usize,
    seen: BTreeMap<Mac, usize>,
    addresses: BTreeMap<Mac, Ipv4Addr>,
}

impl Ports {
    fn plug_in(&mut self, stream: UnixStream, frames: SyncSender<Arc<[u8]>>) -> usize {
        self.count = self.count.saturating_add(1);
        self.open.push(Port { number: self.count, stream, frames });
        self.count
    }

    fn pull_out(&mut self, port: usize) {
        for port in self.open.extract_if(.., |open| open.number == port) {
            // Ends the thread that may be writing.
            let _ = port.stream.shutdown(Shutdown::Both);
        }
        self.seen.retain(|_, seen| *seen != port);
    }

    fn close(&mut self) {
        for port in self.open.drain(..) {
            let _ = port.stream.shutdown(Shutdown::Both);
        }
    }

    /// To the port behind which the receiver is, or to all others where that is not known.
    fn pass_on(&mut self, from: usize, frame: &Arc<[u8]>) {
        let (Some(to), Some(sender)) =
            (frame.first_chunk::<6>(), frame.get(6..).and_then(|rest| rest.first_chunk::<6>()))
        else {
            return;
        };
        if self.seen.len() < MOST_SEEN || self.seen.contains_key(sender) {
            self.seen.insert(*sender, from);
        }
        if let Some((mac, address)) = announced(frame)
            && self.seen.contains_key(&mac)
        {
            self.addresses.entry(mac).or_insert(address);
        }
        let wanted = self.seen.get(to).copied();
        for port in &self.open {
            if port.number != from && wanted.is_none_or(|wanted| wanted == port.number) {
                // Full, or switched off a moment ago: its own thread pulls it out.
                let _ = port.frames.try_send(Arc::clone(frame));
            }
        }
    }
}

/// Who says by ARP that it has which IPv4 address (RFC 826). A probe (RFC 5227) says nothing yet: its sender has no address.
fn announced(frame: &[u8]) -> Option<(Mac, Ipv4Addr)> {
    // The type ARP; then Ethernet, IPv4, and 6 and 4 bytes of address.
    const HEADER: [u8; 8] = [0x08, 0x06, 0, 1, 8, 0, 6, 4];
    if frame.get(12..20)? != HEADER {
        return None;
    }
    let mac = frame.get(22..)?.first_chunk::<6>()?;
    let address = Ipv4Addr::from(*frame.get(28..)?.first_chunk::<4>()?);
    (!address.is_unspecified()).then_some((*mac, address))
}

/// Sends a frame to a switch or a machine.
pub fn send(mut stream: &UnixStream, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(frame);
    stream.write_all(&bytes)
}

/// Waits for a frame.
///
/// # Errors
/// When the other end is closed, and when the frame is longer than any that QEMU sends.
pub fn receive(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let size = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    if size > LONGEST_FRAME {
        return Err(io::Error::other(format!("a frame of {size} bytes")));
    }
    let mut frame = vec![0; size];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ALL: Mac = [0xff; 6];
    const FIRST: Mac = [2, 0, 0, 0, 0, 1];
    const SECOND: Mac = [2, 0, 0, 0, 0, 2];

    fn machine(switch: &Switch) -> UnixStream {
        let stream = switch.plug_in().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn frame(to: Mac, from: Mac, text: &str) -> Vec<u8> {
        [&to, &from, text.as_bytes()].concat()
    }

    /// Three machines that are plugged in: each has been heard by the first.
    fn three(switch: &Switch) -> [UnixStream; 3] {
        let mut machines = [machine(switch), machine(switch), machine(switch)];
        for (number, mac) in [(1, SECOND), (0, FIRST)] {
            send(&machines[number], &frame(ALL, mac, "hello")).unwrap();
            for (other, stream) in machines.iter_mut().enumerate().filter(|(other, _)| *other != number) {
                assert_eq!(receive(stream).unwrap(), frame(ALL, mac, "hello"), "{other}");
            }
        }
        machines
    }

    #[test]
    fn a_frame_goes_only_to_the_port_of_its_receiver() {
        let switch = Switch::new();
        let [first, mut second, mut third] = three(&switch);
        send(&first, &frame(SECOND, FIRST, "for the second")).unwrap();
        send(&first, &frame(ALL, FIRST, "for all")).unwrap();
        assert_eq!(receive(&mut second).unwrap(), frame(SECOND, FIRST, "for the second"));
        assert_eq!(receive(&mut second).unwrap(), frame(ALL, FIRST, "for all"));
        assert_eq!(receive(&mut third).unwrap(), frame(ALL, FIRST, "for all"));
    }

    #[test]
    fn a_frame_for_an_unplugged_machine_goes_to_all_others() {
        let switch = Switch::new();
        let [first, second, mut third] = three(&switch);
        drop(second);
        while locked(&switch.ports).seen.contains_key(&SECOND) {
            thread::sleep(Duration::from_millis(1));
        }
        send(&first, &frame(SECOND, FIRST, "anybody")).unwrap();
        assert_eq!(receive(&mut third).unwrap(), frame(SECOND, FIRST, "anybody"));
    }

    #[test]
    fn a_frame_that_is_too_long_closes_its_port_and_a_short_one_is_ignored() {
        let switch = Switch::new();
        let [first, mut second, mut third] = three(&switch);
        send(&first, b"short").unwrap();
        (&first).write_all(&u32::MAX.to_be_bytes()).unwrap();
        while locked(&switch.ports).open.len() == 3 {
            thread::sleep(Duration::from_millis(1));
        }
        send(&second, &frame(ALL, SECOND, "still here")).unwrap();
        assert_eq!(receive(&mut third).unwrap(), frame(ALL, SECOND, "still here"));
        drop(switch);
        assert!(receive(&mut second).is_err(), "a dropped switch closes its ports");
    }

    #[test]
    fn a_machine_that_takes_nothing_holds_up_nobody() {
        let switch = Switch::new();
        let [first, mut second, third] = three(&switch);
        let long = "x".repeat(60_000);
        for number in 0..2 * MOST_WAITING {
            // The third one never reads.
            send(&first, &frame(ALL, FIRST, &format!("{number}{long}"))).unwrap();
            assert!(receive(&mut second).unwrap().starts_with(&frame(ALL, FIRST, &number.to_string())));
        }
        drop(third);
    }

    #[test]
    fn an_address_is_known_by_arp_and_not_by_a_probe() {
        let arp = |mac: Mac, address: [u8; 4]| {
            let mut frame = frame(ALL, mac, "");
            frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
            frame.extend(mac);
            frame.extend(address);
            frame.extend([0; 10]);
            frame
        };
        assert_eq!(announced(&arp(FIRST, [0; 4])), None);
        assert_eq!(announced(&arp(FIRST, [10, 0, 0, 7])), Some((FIRST, Ipv4Addr::new(10, 0, 0, 7))));
        for length in 0..31 {
            assert_eq!(announced(&arp(FIRST, [10, 0, 0, 7])[..length]), None, "{length}");
        }
        let mut ports = Ports::default();
        for number in 0..2 * MOST_SEEN {
            let [.., high, low] = number.to_be_bytes();
            ports.pass_on(1, &arp([2, 0, 0, 1, high, low], [10, 0, 0, 7]).into());
        }
        assert_eq!((ports.seen.len(), ports.addresses.len()), (MOST_SEEN, MOST_SEEN));
    }
}

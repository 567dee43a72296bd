//! A network without cables: a switch in this process, to which QEMU's netdev `stream` connects by a unix socket, and a
//! QEMU without a machine as the router. Nothing leaves this computer.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

/// Larger than any frame with the usual 1500 bytes of payload, and than what virtio's offloads put together.
const LONGEST_FRAME: usize = 128 * 1024;

/// What stands in for another machine that has a node's address.
pub const IMPOSTOR: Mac = [0x02, 0xba, 0xdb, 0xad, 0x00, 0x01];

type Mac = [u8; 6];

/// What is plugged in, and behind which port each address was seen.
#[derive(Default)]
struct Ports {
    open: Vec<(usize, UnixStream)>,
    count: usize,
    seen: BTreeMap<Mac, usize>,
}

/// Learns who is behind which port. A hub would not do: QEMU's router answers for whatever address it hears of.
pub struct Switch {
    dir: TempDir,
    /// The address for which the impostor answers.
    taken: Arc<Mutex<Option<Ipv4Addr>>>,
    router: Child,
}

impl Switch {
    /// With a router at 10.0.2.2 that forwards `port` of 127.0.0.1 to `to`.
    pub fn new(port: u16, to: SocketAddrV4) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket(dir.path())).unwrap();
        let taken = Arc::new(Mutex::new(None));
        let ports = Arc::new(Mutex::new(Ports::default()));
        let of_impostor = Arc::clone(&taken);
        // Ends with the process: a thread in `accept` cannot be asked to.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let port = ports.lock().unwrap().plug_in(&stream);
                let (ports, taken) = (Arc::clone(&ports), Arc::clone(&of_impostor));
                thread::spawn(move || serve(stream, port, &ports, &taken));
            }
        });
        let router = router(&socket(dir.path()), port, to);
        Self { dir, taken, router }
    }

    /// Where machines are plugged in.
    pub fn socket(&self) -> PathBuf {
        socket(self.dir.path())
    }

    /// Lets another machine have `address`, or none any more.
    pub fn take(&self, address: Option<Ipv4Addr>) {
        *self.taken.lock().unwrap() = address;
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.router.kill();
        let _ = self.router.wait();
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("switch")
}

/// QEMU's own network behind a port of the switch, without a machine.
fn router(socket: &Path, port: u16, to: SocketAddrV4) -> Child {
    let forward = format!("hostfwd=tcp:127.0.0.1:{port}-{}:{}", to.ip(), to.port());
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-M", "none", "-nodefaults", "-no-user-config", "-display", "none"]);
    command.args(["-netdev", &format!("user,id=u0,restrict=on,{forward}")]);
    command.args(["-netdev", "hubport,id=h0,hubid=0,netdev=u0"]);
    let stream = format!("stream,id=s0,server=off,addr.type=unix,addr.path={}", socket.display());
    command.args(["-netdev", &stream, "-netdev", "hubport,id=h1,hubid=0,netdev=s0"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("starting QEMU; run `make setup`")
}

/// One port: frames with their length before them, big endian.
fn serve(mut stream: UnixStream, port: usize, ports: &Mutex<Ports>, taken: &Mutex<Option<Ipv4Addr>>) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let size = usize::try_from(u32::from_be_bytes(length)).unwrap();
        assert!(size <= LONGEST_FRAME, "a frame of {size} bytes");
        let mut frame = vec![0; size];
        if stream.read_exact(&mut frame).is_err() {
            break;
        }
        if let Some(answer) = taken.lock().unwrap().and_then(|address| impostors_answer(&frame, address)) {
            let _ = send(&stream, &answer);
        }
        ports.lock().unwrap().pass_on(port, &frame);
    }
    ports.lock().unwrap().pull_out(port);
}

impl Ports {
    fn plug_in(&mut self, stream: &UnixStream) -> usize {
        self.count += 1;
        self.open.push((self.count, stream.try_clone().unwrap()));
        self.count
    }

    fn pull_out(&mut self, port: usize) {
        self.open.retain(|(open, _)| *open != port);
        self.seen.retain(|_, seen| *seen != port);
    }

    /// To the port behind which the receiver is, or to all others where that is not known.
    fn pass_on(&mut self, from: usize, frame: &[u8]) {
        let (Some(to), Some(sender)) =
            (frame.first_chunk::<6>(), frame.get(6..).and_then(|rest| rest.first_chunk::<6>()))
        else {
            return;
        };
        self.seen.insert(*sender, from);
        let wanted = self.seen.get(to).copied();
        // A machine that was switched off a moment ago takes nothing more; its own thread pulls it out.
        for (port, stream) in &self.open {
            if *port != from && wanted.is_none_or(|wanted| wanted == *port) {
                let _ = send(stream, frame);
            }
        }
    }
}

fn send(mut port: &UnixStream, frame: &[u8]) -> std::io::Result<()> {
    let mut bytes = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(frame);
    port.write_all(&bytes)
}

/// The answer to an ARP request for `address` (RFC 826), a probe (RFC 5227) included.
fn impostors_answer(frame: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    const ARP: [u8; 2] = [0x08, 0x06];
    // Ethernet, IPv4, 6 and 4 bytes of address, request.
    const REQUEST: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 1];
    let asks = frame.get(12..14)? == ARP && frame.get(14..22)? == REQUEST;
    if !asks || frame.get(38..42)? != address.octets() {
        return None;
    }
    let asker = frame.get(6..12)?;
    let mut answer =
        [asker, &IMPOSTOR, &ARP, &[0, 1, 8, 0, 6, 4, 0, 2], &IMPOSTOR, &address.octets()].concat();
    answer.extend_from_slice(frame.get(22..32)?);
    answer.resize(60, 0);
    Some(answer)
}

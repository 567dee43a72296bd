//! An Ethernet switch in this process, to which QEMU's netdev `stream` connects by a unix socket. Nothing leaves this
//! computer, and no rights are needed.
//!
//! QEMU sends each frame with its length before it, 4 bytes big endian (QEMU, `net/stream.c`, and qapi/net.json for the
//! options).

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

/// Larger than any frame with the usual 1500 bytes of payload, and than what virtio's offloads put together.
const LONGEST_FRAME: usize = 128 * 1024;

/// A hardware address.
type Mac = [u8; 6];

/// A running switch. It learns which address is behind which port: a hub would not do, since QEMU's router answers for
/// whatever address it hears of. Dropped, it closes all ports.
///
/// A frame is passed on before the next one is taken, so a machine that takes no frames stops the network until it does.
#[derive(Debug)]
pub struct Switch {
    dir: TempDir,
    ports: Arc<Mutex<Ports>>,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Switch {
    /// Opens the socket and serves it until it is dropped.
    pub fn start() -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let listener = UnixListener::bind(socket(dir.path()))?;
        let ports = Arc::new(Mutex::new(Ports::default()));
        let stopped = Arc::new(AtomicBool::new(false));
        let accepting = thread::spawn({
            let (ports, stopped) = (Arc::clone(&ports), Arc::clone(&stopped));
            move || accept(&listener, &ports, &stopped)
        });
        Ok(Self { dir, ports, stopped, accepting: Some(accepting) })
    }

    /// Where machines are plugged in.
    pub fn socket(&self) -> PathBuf {
        socket(self.dir.path())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread up. Where that fails, the thread ends with the process.
        if UnixStream::connect(self.socket()).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            let _ = accepting.join();
        }
        locked(&self.ports).close();
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("switch")
}

fn accept(listener: &UnixListener, ports: &Arc<Mutex<Ports>>, stopped: &AtomicBool) {
    for stream in listener.incoming().map_while(Result::ok) {
        if stopped.load(Ordering::Relaxed) {
            return;
        }
        let Ok(writer) = stream.try_clone() else { continue };
        let port = locked(ports).plug_in(writer);
        let ports = Arc::clone(ports);
        thread::spawn(move || {
            serve(stream, port, &ports);
            locked(&ports).pull_out(port);
        });
    }
}

/// One port, until its machine ends or sends what is no frame.
fn serve(mut stream: UnixStream, port: usize, ports: &Mutex<Ports>) {
    while let Ok(frame) = receive(&mut stream) {
        locked(ports).pass_on(port, &frame);
    }
}

/// A thread that panicked has left whole values.
fn locked(ports: &Mutex<Ports>) -> MutexGuard<'_, Ports> {
    ports.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is plugged in, and behind which port each address was seen.
#[derive(Debug, Default)]
struct Ports {
    open: Vec<(usize, UnixStream)>,
    count: usize,
    seen: BTreeMap<Mac, usize>,
}

impl Ports {
    fn plug_in(&mut self, stream: UnixStream) -> usize {
        self.count = self.count.saturating_add(1);
        self.open.push((self.count, stream));
        self.count
    }

    fn pull_out(&mut self, port: usize) {
        self.open.retain(|(open, _)| *open != port);
        self.seen.retain(|_, seen| *seen != port);
    }

    fn close(&mut self) {
        for (_, stream) in self.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
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
        let stream = UnixStream::connect(switch.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn frame(to: Mac, from: Mac, text: &str) -> Vec<u8> {
        [&to, &from, text.as_bytes()].concat()
    }

    /// Three machines that are plugged in: each has been heard by the first.
    fn three(switch: &Switch) -> [UnixStream; 3] {
        let mut machines = [machine(switch), machine(switch), machine(switch)];
        while locked(&switch.ports).open.len() < 3 {
            thread::sleep(Duration::from_millis(1));
        }
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
        let switch = Switch::start().unwrap();
        let [first, mut second, mut third] = three(&switch);
        send(&first, &frame(SECOND, FIRST, "for the second")).unwrap();
        send(&first, &frame(ALL, FIRST, "for all")).unwrap();
        assert_eq!(receive(&mut second).unwrap(), frame(SECOND, FIRST, "for the second"));
        assert_eq!(receive(&mut second).unwrap(), frame(ALL, FIRST, "for all"));
        assert_eq!(receive(&mut third).unwrap(), frame(ALL, FIRST, "for all"));
    }

    #[test]
    fn a_frame_for_an_unplugged_machine_goes_to_all_others() {
        let switch = Switch::start().unwrap();
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
        let switch = Switch::start().unwrap();
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
}

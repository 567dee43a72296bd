//! [`System`] on the real machine.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

use hc_common::text::printable::printable_lines;

use super::{Command, Kind, Output, Space, Stat, System, Tail, TlsError, TlsRequest, arp, dir, tls};
use crate::arp::Mac;

/// The names of the kernel's consoles: a screen, a serial port, or both.
const CONSOLES: &str = "/sys/class/tty/console/active";

/// The default console, if that list cannot be read.
const CONSOLE: &str = "/dev/console";

/// The time limit for a message on a console.
const CONSOLE_LIMIT: Duration = Duration::from_secs(10);

/// The maximum size of a UDP answer; an SNTP packet has 48 bytes and optionally a signature.
const ANSWER_BYTES: usize = 512;

/// What this process has logged last.
static TAIL: Mutex<Tail> = Mutex::new(Tail::new());

/// The machine that this program runs on.
#[derive(Debug, Clone, Copy)]
pub struct RealSystem;

impl System for RealSystem {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(File::open(path)?))
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let mut bytes = vec![0; length];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(u64::try_from(done).map_err(io::Error::other)?);
            match file.read_at(rest, at) {
                Ok(0) => break,
                Ok(count) => done = done.saturating_add(count),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Space { free: bytes(stat.f_bfree), total: bytes(stat.f_blocks) })
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let meta = path.symlink_metadata()?;
        let kind = match meta.file_type() {
            t if t.is_file() => Kind::File,
            t if t.is_dir() => Kind::Dir,
            t if t.is_symlink() => Kind::Link,
            _ => Kind::Other,
        };
        let modified = since_1970(meta.modified()?);
        let mode = meta.mode() & 0o7777;
        Ok(Stat { kind, size: meta.len(), mode, uid: meta.uid(), gid: meta.gid(), modified })
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        fs::read_link(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(dir)?.map(|entry| Ok(lossy(&entry?.file_name())));
        let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
        names.sort();
        Ok(names)
    }

    fn write(&self, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let flags = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
        options.write(true).create(true).truncate(true).mode(mode).custom_flags(flags);
        options.open(path)?.write_all(content)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn wipe(&self, path: &Path) -> io::Result<()> {
        let flags = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
        let mut file = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
        let length = file.metadata()?.len();
        io::copy(&mut io::repeat(0).take(length), &mut file)?;
        file.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn sync_all(&self) -> io::Result<()> {
        rustix::fs::sync();
        Ok(())
    }

    fn make_dirs(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn make_owned_dir(&self, below: &Path, path: &Path, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
        dir::make_owned(below, path, mode, uid, gid)
    }

    fn run(&self, command: &Command) -> io::Result<Output> {
        command.run()
    }

    fn hostname(&self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn set_hostname(&self, name: &str) -> io::Result<()> {
        Ok(rustix::system::sethostname(name.as_bytes())?)
    }

    fn now(&self) -> Duration {
        since_1970(SystemTime::now())
    }

    fn set_clock(&self, to: Duration) -> io::Result<()> {
        let tv_sec = i64::try_from(to.as_secs()).map_err(io::Error::other)?;
        Ok(clock_settime(ClockId::Realtime, Timespec { tv_sec, tv_nsec: to.subsec_nanos().into() })?)
    }

    fn uptime(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        let whole = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
        whole.saturating_add(Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default()))
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }

    fn random(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        // Up to 256 bytes are returned completely or not at all (getrandom(2)).
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn ask_udp(&self, server: SocketAddr, packet: &[u8], wait: Duration) -> io::Result<Vec<u8>> {
        // Addresses, not text: text would link the C library's resolver, 130 KB of unused code.
        let any = match server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any)?;
        // Connected, so that the kernel drops packets from other addresses.
        socket.connect(server)?;
        socket.set_read_timeout(Some(wait))?;
        socket.send(packet)?;
        let mut answer = vec![0; ANSWER_BYTES];
        let length = socket.recv(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    }

    fn arp_probe(&self, interface: &str, address: Ipv4Addr) -> io::Result<Option<Mac>> {
        arp::probe(interface, address)
    }

    fn ask_tls(&self, request: &TlsRequest<'_>) -> Result<Vec<u8>, TlsError> {
        tls::ask(request)
    }

    fn log(&self, text: &str) {
        // Reasons come from servers, logs and files of strangers, and the consoles are terminals.
        let line = format!("{}\n", printable_lines(text));
        TAIL.lock().unwrap_or_else(PoisonError::into_inner).add(&line);
        // A failed message must not stop the first boot.
        let _ = io::stdout().write_all(line.as_bytes());
        let _ = io::stdout().flush();
        write_to_consoles(line.as_bytes());
    }

    fn log_tail(&self) -> Vec<String> {
        TAIL.lock().unwrap_or_else(PoisonError::into_inner).lines()
    }
}

/// Writes to all consoles. A console that blocks until the time limit is skipped from then on. Other errors are ignored,
/// such as a terminal that is hung up because a login starts on it.
fn write_to_consoles(text: &[u8]) {
    static SILENT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut silent = SILENT.lock().unwrap_or_else(PoisonError::into_inner);
    for console in consoles(&fs::read_to_string(CONSOLES).unwrap_or_default()) {
        if !silent.contains(&console)
            && write_to_console(&console, text).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
        {
            silent.insert(console);
        }
    }
}

/// The devices of a list such as `tty0 ttyS0`.
fn consoles(active: &str) -> Vec<PathBuf> {
    let devices: Vec<PathBuf> = active.split_whitespace().map(|name| Path::new("/dev").join(name)).collect();
    if devices.is_empty() { vec![PathBuf::from(CONSOLE)] } else { devices }
}

/// Writes to a console, at most for [`CONSOLE_LIMIT`]: a serial line may be slow, and a screen that was stopped with
/// Ctrl-S may block forever.
fn write_to_console(console: &Path, mut text: &[u8]) -> io::Result<()> {
    let flags = i32::try_from((OFlags::NOCTTY | OFlags::NONBLOCK).bits()).map_err(io::Error::other)?;
    let mut console = OpenOptions::new().write(true).custom_flags(flags).open(console)?;
    let start = Instant::now();
    while !text.is_empty() {
        match console.write(text) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => text = text.get(written..).unwrap_or_default(),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && start.elapsed() < CONSOLE_LIMIT => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn lossy(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_active_console_is_used() {
        assert_eq!(consoles("tty1 ttyS0\n"), [Path::new("/dev/tty1"), Path::new("/dev/ttyS0")]);
        assert_eq!(consoles(""), [Path::new("/dev/console")]);
    }

    #[test]
    fn a_file_is_replaced_by_write_sync_and_rename() {
        let dir = tempfile::tempdir().unwrap();
        let (new, path) = (dir.path().join("deep/a.new"), dir.path().join("deep/a"));
        RealSystem.make_dirs(path.parent().unwrap()).unwrap();
        for content in ["a longer text", "short"] {
            RealSystem.write(&new, content.as_bytes(), 0o600).unwrap();
            RealSystem.sync_file(&new).unwrap();
            RealSystem.rename(&new, &path).unwrap();
            RealSystem.sync_dir(path.parent().unwrap()).unwrap();
            assert_eq!(RealSystem.read(&path).unwrap(), content.as_bytes());
        }
        let stat = RealSystem.stat(&path).unwrap();
        assert_eq!((stat.kind, stat.size, stat.mode), (Kind::File, 5, 0o600));
        assert_eq!(RealSystem.list(path.parent().unwrap()).unwrap(), ["a"]);
    }

    #[test]
    fn a_link_is_read_and_not_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("target", &link).unwrap();
        assert_eq!(RealSystem.stat(&link).unwrap().kind, Kind::Link);
        assert_eq!(RealSystem.read_link(&link).unwrap(), Path::new("target"));
        assert!(RealSystem.write(&link, b"x", 0o600).is_err());
        assert_eq!(RealSystem.list(dir.path()).unwrap(), ["link"]);
    }

    #[test]
    fn a_wiped_file_is_overwritten_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        RealSystem.write(&path, b"secret", 0o600).unwrap();
        // A second name of the same inode shows the old bytes.
        fs::hard_link(&path, &other).unwrap();
        RealSystem.wipe(&path).unwrap();
        RealSystem.remove(&path).unwrap();
        assert_eq!(RealSystem.read(&other).unwrap(), [0; 6]);
        assert_eq!(RealSystem.list(dir.path()).unwrap(), ["b"]);
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(RealSystem.wipe(&path).is_err(), "a link is not written through");
    }

    #[test]
    fn read_at_returns_at_most_the_rest_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        RealSystem.write(&path, b"0123456789", 0o600).unwrap();
        for (offset, length, expected) in [(0, 3, "012"), (8, 5, "89"), (10, 1, ""), (99, 1, "")] {
            assert_eq!(RealSystem.read_at(&path, offset, length).unwrap(), expected.as_bytes());
        }
        assert!(RealSystem.space(dir.path()).unwrap().total > 0);
    }

    #[test]
    fn a_missing_file_is_not_found() {
        let error = RealSystem.read(Path::new("/nowhere/x")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

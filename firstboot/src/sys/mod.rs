//! The outside world, behind one trait: files, commands, clock, network, time that passes.
//!
//! Phases see nothing else, so that tests can give them a machine whose power fails at any step. Files are
//! written in small steps (write, sync, rename, sync the directory) because durability is lost between them.

#[cfg(unix)]
mod arp;
mod command;
#[cfg(unix)]
mod dir;
#[cfg(unix)]
mod real;
mod tls;

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use command::{Command, Output};
#[cfg(unix)]
pub use real::RealSystem;
pub use tls::{TlsError, Trust};

use crate::arp::Mac;

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link, never followed.
    Link,
    /// A device, socket or pipe.
    Other,
}

/// What is known about a path without following it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits (07777).
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Time of the last change of the content, since 1970.
    pub modified: Duration,
}

/// The room in a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What root may still write.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// The outside world. Errors of files carry no path: the caller knows what it was doing.
pub trait System {
    /// The whole content of a small file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// A file to be read in pieces.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>>;
    /// `length` bytes from `offset` of a file or block device, fewer where it ends before.
    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// The room in the file system that a path is in.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// What a path names, links not followed.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// Where a symbolic link points, as written in it.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;
    /// The names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes or truncates a file and writes it; not durable before [`System::sync_file`].
    fn write(&self, path: &Path, content: &[u8], mode: u32) -> io::Result<()>;
    /// Makes the content of a file durable; its name needs [`System::sync_dir`].
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Writes zeros over the whole content of a regular file, in place and durably.
    fn wipe(&self, path: &Path) -> io::Result<()>;
    /// Removes a file or link; not durable before [`System::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames over whatever is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes everything durable, what other programs wrote included.
    fn sync_all(&self) -> io::Result<()>;
    /// Makes a directory and its parents where they are missing.
    fn make_dirs(&self, path: &Path) -> io::Result<()>;
    /// Makes `below/path` and gives the last directory its owner and mode, durably. No part of `path` may be a
    /// symbolic link.
    fn make_owned_dir(&self, below: &Path, path: &Path, mode: u32, uid: u32, gid: u32) -> io::Result<()>;

    /// Runs a command to its end or to its time limit.
    fn run(&self, command: &Command) -> io::Result<Output>;
    /// The host name in effect.
    fn hostname(&self) -> String;
    /// Sets the host name in effect.
    fn set_hostname(&self, name: &str) -> io::Result<()>;

    /// The clock on the wall, since 1970 (zero where it is earlier).
    fn now(&self) -> Duration;
    /// Sets the clock on the wall.
    fn set_clock(&self, to: Duration) -> io::Result<()>;
    /// Time since boot; never jumps.
    fn uptime(&self) -> Duration;
    /// Lets time pass.
    fn sleep(&self, time: Duration);
    /// An unpredictable number.
    fn random(&self) -> io::Result<u64>;
    /// Sends one UDP packet and waits for the first answer from the same address.
    fn ask_udp(&self, server: SocketAddr, packet: &[u8], wait: Duration) -> io::Result<Vec<u8>>;
    /// Asks on an interface by ARP who has an address, without claiming it (RFC 5227, 2.1.1). The answer is
    /// somebody else's; none where nobody answered within about a second.
    fn arp_probe(&self, interface: &str, address: Ipv4Addr) -> io::Result<Option<Mac>>;
    /// Sends one request over TLS and reads all that comes back, up to 256 KiB.
    fn ask_tls(
        &self,
        server: SocketAddr,
        name: &str,
        trust: &Trust,
        request: &[u8],
        wait: Duration,
    ) -> Result<Vec<u8>, TlsError>;

    /// Tells a person and the journal. Never fails: a node without a console must still come up.
    fn log(&self, text: &str);
}

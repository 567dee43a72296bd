//! The interface to the machine, in one trait: files, commands, clock, network, passing time.
//!
//! Phases use nothing else, so that tests can simulate a machine whose power fails at any step. Files are written in
//! small steps (write, sync, rename, sync the directory), because a power cut can happen between them.
//!
//! The machine itself is a node, so Linux. The builder uses the types of this crate on other systems too.

#[cfg(target_os = "linux")]
mod arp;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports, reason = "only a node runs commands"))]
mod command;
#[cfg(target_os = "linux")]
mod dir;
#[cfg(target_os = "linux")]
mod real;
mod tail;
mod tls;

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use command::{Command, Output};
#[cfg(target_os = "linux")]
pub use real::RealSystem;
pub use tail::Tail;
pub use tls::{Identity, TlsError, TlsRequest, Trust, ask as ask_tls};

use crate::arp::Mac;

/// The type of a file.
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

/// The metadata of a path; links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The type of the file.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits (07777).
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Time of the last modification, since 1970.
    pub modified: Duration,
}

/// The space of a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Free for root.
    pub free: u64,
    /// Total.
    pub total: u64,
}

/// The interface to the machine. Errors of files have no path: the caller adds it.
pub trait System {
    /// The whole content of a small file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// A file, for reading in chunks.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>>;
    /// `length` bytes from `offset` of a file or block device, fewer at its end.
    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// The space of the file system of a path.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// The metadata of a path; links are not followed.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// The target of a symbolic link, as written in it.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;
    /// The names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Creates or truncates a file and writes it; not durable before [`System::sync_file`].
    fn write(&self, path: &Path, content: &[u8], mode: u32) -> io::Result<()>;
    /// Makes the content of a file durable; its name needs [`System::sync_dir`].
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Writes zeros over the whole content of a regular file, in place and durably.
    fn wipe(&self, path: &Path) -> io::Result<()>;
    /// Removes a file or link; not durable before [`System::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames, replacing an existing file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes everything durable, including writes of other programs.
    fn sync_all(&self) -> io::Result<()>;
    /// Creates a directory and its parents if they are missing.
    fn make_dirs(&self, path: &Path) -> io::Result<()>;
    /// Creates `below/path` and sets owner and mode of the last directory, durably. No part of `path` may be a symbolic
    /// link.
    fn make_owned_dir(&self, below: &Path, path: &Path, mode: u32, uid: u32, gid: u32) -> io::Result<()>;

    /// Runs a command until it ends or reaches its time limit.
    fn run(&self, command: &Command) -> io::Result<Output>;
    /// The current host name.
    fn hostname(&self) -> String;
    /// Sets the current host name.
    fn set_hostname(&self, name: &str) -> io::Result<()>;

    /// The wall clock, since 1970 (zero if it is earlier).
    fn now(&self) -> Duration;
    /// Sets the wall clock.
    fn set_clock(&self, to: Duration) -> io::Result<()>;
    /// Time since boot; it never jumps.
    fn uptime(&self) -> Duration;
    /// Waits.
    fn sleep(&self, time: Duration);
    /// An unpredictable number.
    fn random(&self) -> io::Result<u64>;
    /// Sends one UDP packet and waits for the first answer from the same address.
    fn ask_udp(&self, server: SocketAddr, packet: &[u8], wait: Duration) -> io::Result<Vec<u8>>;
    /// Probes by ARP whether an address is in use on an interface, without claiming it (RFC 5227, 2.1.1). Returns the
    /// MAC address of the other host; `None` if there was no answer within about a second.
    fn arp_probe(&self, interface: &str, address: Ipv4Addr) -> io::Result<Option<Mac>>;
    /// Sends one request over TLS and reads the whole answer.
    fn ask_tls(&self, request: &TlsRequest<'_>) -> Result<Vec<u8>, TlsError>;

    /// Writes to the consoles and the journal. Never fails: a node without a console must still start.
    fn log(&self, text: &str);

    /// The last lines that this process has logged, the newest last; bounded in number and length.
    fn log_tail(&self) -> Vec<String>;
}

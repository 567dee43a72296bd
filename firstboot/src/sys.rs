//! The outside world, behind one trait: files, commands, clock, network, time that passes.
//!
//! Phases see nothing else, so that tests can give them a machine whose power fails at any step. Files are
//! written in small steps (write, sync, rename, sync the folder) because durability is lost between them.

mod command;
mod folder;
mod real;

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use command::{Command, Output};
pub use real::RealSystem;

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
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

/// The outside world. Errors of files carry no path: the caller knows what it was doing.
pub trait System {
    /// The whole content of a small file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// A file to be read in pieces.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>>;
    /// What a path names, links not followed.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
    /// Where a symbolic link points, as written in it.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;
    /// The names in a folder, sorted.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Makes or truncates a file and writes it; not durable before [`System::sync_file`].
    fn write(&self, path: &Path, content: &[u8], mode: u32) -> io::Result<()>;
    /// Makes the content of a file durable; its name needs [`System::sync_folder`].
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Renames over whatever is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes everything durable, what other programs wrote included.
    fn sync_all(&self) -> io::Result<()>;
    /// Makes a folder and its parents where they are missing.
    fn make_folders(&self, path: &Path) -> io::Result<()>;
    /// Makes `below/path` and gives the last folder its owner and mode, durably. No part of `path` may be a
    /// symbolic link.
    fn make_owned_folder(&self, below: &Path, path: &Path, mode: u32, uid: u32, gid: u32) -> io::Result<()>;

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

    /// Tells a person and the journal. Never fails: a node without a console must still come up.
    fn tell(&self, text: &str);
}

//! Several machines on one network: a switch, and behind it QEMU's own network as the router.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::machine::{Network, escaped};
use super::switch::Switch;
use super::vm::{VmError, io_error, not_started};

/// A network that machines are plugged into: 10.0.2.0/24, with a router at 10.0.2.2 behind which nothing else answers.
/// One port of a machine on it can be reached from this computer.
#[derive(Debug)]
pub struct LabNetwork {
    switch: Switch,
    router: Child,
    port: u16,
}

impl LabNetwork {
    /// Starts switch and router. The router forwards [`Self::port`] of 127.0.0.1 to `to`, an address and port of a
    /// machine on the network.
    pub fn start(to: SocketAddrV4) -> Result<Self, VmError> {
        let switch = Switch::start().map_err(io_error("opening the switch"))?;
        let port = free_port().map_err(io_error("looking for a free port"))?;
        let router = router(&switch.socket(), port, to)?;
        Ok(Self { switch, router, port })
    }

    /// The forwarded port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What machine number `number` is plugged into; the number makes its hardware address.
    pub fn network(&self, number: u8) -> Network {
        Network::Switch { socket: self.socket(), mac: format!("52:54:00:00:00:{number:02x}") }
    }

    /// The switch's socket, for whatever else is to be on the network.
    pub fn socket(&self) -> PathBuf {
        self.switch.socket()
    }
}

impl Drop for LabNetwork {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.router.kill();
        let _ = self.router.wait();
    }
}

/// Free at this moment; another program may take it first, and then QEMU says so.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// QEMU's own network behind a port of the switch, without a machine.
fn router(socket: &Path, port: u16, to: SocketAddrV4) -> Result<Child, VmError> {
    const QEMU: (&str, &str) = ("qemu-system-x86_64", "qemu-system-x86");
    let forward = format!("hostfwd=tcp:127.0.0.1:{port}-{}:{}", to.ip(), to.port());
    let mut command = Command::new(QEMU.0);
    command.args(["-M", "none", "-nodefaults", "-no-user-config", "-display", "none"]);
    command.args(["-netdev", &format!("user,id=u0,restrict=on,{forward}")]);
    command.args(["-netdev", "hubport,id=h0,hubid=0,netdev=u0"]);
    let stream = format!("stream,id=s0,server=off,addr.type=unix,addr.path={}", escaped(socket));
    command.args(["-netdev", &stream, "-netdev", "hubport,id=h1,hubid=0,netdev=s0"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().map_err(|source| not_started(QEMU, source))
}

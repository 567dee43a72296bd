//! Several machines on one network: a switch, and behind it QEMU's own network as the router.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use hc_common::value::MacAddress;

use crate::board::Board;

use super::machine::{Network, program};
use super::monitor::{Expected, Monitor};
use super::process;
use super::subnet::Router;
use super::switch::Switch;
use super::vm::{VmError, io_error, not_started};

/// A network that machines are plugged into, with a router. Ports of the machines on it can be reached from this computer.
#[derive(Debug)]
pub struct LabNetwork {
    switch: Switch,
    router: Child,
    monitor: Monitor,
}

/// The router's own network in its command line.
const NETDEV: &str = "u0";

impl LabNetwork {
    /// Starts switch and router; `is_online` gives the machines a way out, through this computer and as it. The router is the
    /// QEMU for `board`, without a machine: any would do, and this one is there.
    ///
    /// # Errors
    /// Where QEMU is missing or does not start.
    pub fn start(router: &Router, is_online: bool, board: &Board) -> Result<Self, VmError> {
        let qemu = program(board);
        let switch = Switch::new();
        let port = switch.plug_in().map_err(io_error("opening the switch"))?;
        let expected = Expected::open()?;
        let mut command = process::qemu(qemu.0);
        command.args(["-M", "none", "-nodefaults", "-no-user-config", "-display", "none"]);
        command.args(["-netdev", &router.netdev(NETDEV, is_online)]);
        command.args(["-netdev", &format!("hubport,id=h0,hubid=0,netdev={NETDEV}")]);
        command.args(["-netdev", &process::stream("s0"), "-netdev", "hubport,id=h1,hubid=0,netdev=s0"]);
        command.args(["-qmp", &expected.option()?]);
        // It warns that its hub has no card; what else it says is in the error.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut router = process::spawn(command, Some(port)).map_err(|source| not_started(qemu, source))?;
        match expected.accept(&mut router) {
            Ok(monitor) => Ok(Self { switch, router, monitor }),
            Err(error) => {
                process::end(&mut router);
                Err(error)
            }
        }
    }

    /// What a machine with this hardware address is plugged into.
    ///
    /// # Errors
    /// Where the system gives no more sockets.
    pub fn network(&self, mac: MacAddress) -> Result<Network, VmError> {
        Ok(Network::Switch { port: self.plug_in()?, mac })
    }

    /// A port of the switch, for whatever else is to be on the network.
    ///
    /// # Errors
    /// Where the system gives no more sockets.
    pub fn plug_in(&self) -> Result<UnixStream, VmError> {
        self.switch.plug_in().map_err(io_error("plugging into the switch"))
    }

    /// The address that a machine has used, as soon as it is known.
    pub fn address_of(&self, mac: MacAddress) -> Option<Ipv4Addr> {
        self.switch.address_of(mac.bytes())
    }

    /// Forwards a port of 127.0.0.1, which the system chooses and which is given back, to a machine on the network.
    ///
    /// # Errors
    /// Where the router does not do it.
    pub fn forward(&mut self, to: SocketAddrV4) -> Result<u16, VmError> {
        let (ip, port) = (to.ip(), to.port());
        let refused = self.monitor.ask(&format!("hostfwd_add {NETDEV} tcp:127.0.0.1:0-{ip}:{port}"))?;
        let listed = self.monitor.ask("info usernet")?;
        forwarded(&listed, to).ok_or_else(|| VmError::NoForward { to, said: refused.trim().to_owned() })
    }
}

/// The port on 127.0.0.1 in what `info usernet` lists (libslirp, `slirp_connection_info`):
/// `TCP[HOST_FORWARD]  9  127.0.0.1 45925  192.168.7.11    22  0  0`.
fn forwarded(listed: &str, to: SocketAddrV4) -> Option<u16> {
    let (ip, port) = (to.ip().to_string(), to.port().to_string());
    listed.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["TCP[HOST_FORWARD]", _, "127.0.0.1", host, at, behind, ..] if *at == ip && *behind == port => {
                host.parse().ok()
            }
            _ => None,
        }
    })
}

impl Drop for LabNetwork {
    fn drop(&mut self) {
        process::end(&mut self.router);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_routers_list() {
        let listed = "Hub 0 (u0):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n  \
                      TCP[HOST_FORWARD]  12       127.0.0.1 39329    192.168.7.12    22     0     0\r\n  \
                      TCP[ESTABLISHED]   13       127.0.0.1 39329    192.168.7.12    23     0     0\r\n";
        let at = |port| SocketAddrV4::new(Ipv4Addr::new(192, 168, 7, 12), port);
        assert_eq!(forwarded(listed, at(22)), Some(39329));
        assert_eq!(forwarded(listed, at(23)), None);
    }
}

//! QEMU as a child process.

use std::io;
use std::process::{Child, Command};

use std::os::unix::{net::UnixStream, process::CommandExt};

use command_fds::{CommandFdExt, FdMapping};

/// Where QEMU finds its end of a port of the switch.
const PORT: i32 = 3;

/// The value of `-netdev` for the port of the switch that QEMU inherits (QEMU 7.2 and later).
pub(super) fn stream(id: &str) -> String {
    format!("stream,id={id},server=off,addr.type=fd,addr.str={PORT}")
}

/// Starts QEMU, with a port of the switch. It is in a process group of its own: a terminal sends Ctrl-C to all processes of
/// one, and QEMU would end like a machine whose plug is pulled.
pub(super) fn spawn(mut command: Command, port: Option<UnixStream>) -> io::Result<Child> {
    let mappings = port.map(|port| FdMapping { parent_fd: port.into(), child_fd: PORT });
    command.fd_mappings(mappings.into_iter().collect()).map_err(io::Error::other)?;
    command.process_group(0).spawn()
}

/// Pulls the plug.
pub(super) fn end(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}

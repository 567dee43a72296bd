//! QEMU as a child process, which ends with this one.

use std::io;
use std::os::unix::{net::UnixStream, process::CommandExt};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender};
use std::thread;

use command_fds::{CommandFdExt, FdMapping};

/// Where QEMU finds its end of a port of the switch.
const PORT: i32 = 3;

/// The value of `-netdev` for the port of the switch that QEMU inherits (QEMU 7.2 and later).
pub(super) fn stream(id: &str) -> String {
    format!("stream,id={id},server=off,addr.type=fd,addr.str={PORT}")
}

/// A program where `PATH` has it, or where Debian has what a plain user does not look for.
pub(super) fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    dirs.map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// The command of a QEMU, which the kernel kills when this process is gone, be it by `kill -9`: util-linux's `setpriv` asks
/// for that and becomes QEMU, so both are one process. Without `setpriv`, as on macOS, QEMU then runs on.
pub(super) fn qemu(program: &str) -> Command {
    // A missing QEMU is to be this process's error, and not setpriv's.
    let (Some(qemu), Some(setpriv)) = (found(program), found("setpriv")) else {
        return Command::new(program);
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL"]).arg(qemu);
    command
}

/// A command, and who waits for its process.
type Order = (Command, Sender<io::Result<Child>>);

/// To the thread that starts processes. The kernel takes the end of the thread that started a process for its parent's, and
/// this one ends with the program.
static STARTER: LazyLock<Sender<Order>> = LazyLock::new(|| {
    let (orders, taken) = mpsc::channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in taken {
            let _ = answer.send(command.spawn());
        }
    });
    orders
});

/// Starts a QEMU that [`qemu`] has begun, with a port of the switch. It is in a process group of its own: a terminal sends
/// Ctrl-C to all processes of one, and QEMU would end like a machine whose plug is pulled.
pub(super) fn spawn(mut command: Command, port: Option<UnixStream>) -> io::Result<Child> {
    let mappings = port.map(|port| FdMapping { parent_fd: port.into(), child_fd: PORT });
    command.fd_mappings(mappings.into_iter().collect()).map_err(io::Error::other)?;
    command.process_group(0);
    let (answer, child) = mpsc::channel();
    STARTER.send((command, answer)).map_err(io::Error::other)?;
    child.recv().map_err(io::Error::other)?
}

/// Pulls the plug.
pub(super) fn end(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}

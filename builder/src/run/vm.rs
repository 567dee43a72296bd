//! A QEMU process: its console as lines, its power button, and its end with its owner's.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::arch::Arch;
use crate::board::Board;
use crate::interrupt::{Interrupt, Interrupted};
use crate::os::{Access, OsError, OsImage, probe};

use super::kernel::{KernelError, boot_files, with_console};

/// What to start.
#[derive(Debug, Clone)]
pub struct Machine<'a> {
    /// Whose stand-in it is.
    pub board: &'a Board,
    /// The image; the guest writes to it.
    pub image: &'a Path,
    /// Further disks; the guest writes to them.
    pub disks: Vec<PathBuf>,
    /// Memory in MiB.
    pub memory: u32,
    /// What its network card is plugged into.
    pub network: Network,
    /// What its clock shows at the start, as `2001-01-01`; none for this machine's time.
    pub clock: Option<&'a str>,
}

/// What a machine's network card is plugged into.
#[derive(Debug, Clone)]
pub enum Network {
    /// QEMU's own network, 10.0.2.0/24 with DHCP, on which nothing else answers.
    Alone {
        /// A port of this machine, on 127.0.0.1 only, behind which one of the guest's is reached.
        forward: Option<Forward>,
    },
    /// A switch that listens on a socket of this machine and takes frames as QEMU's netdev `stream` sends them.
    Switch {
        /// The socket.
        socket: PathBuf,
        /// The card's own address, as `52:54:00:00:00:01`.
        mac: String,
    },
}

/// A port of the guest that is reachable from this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// The port on 127.0.0.1.
    pub host: u16,
    /// Where the guest listens; QEMU's network is 10.0.2.0/24, and its DHCP gives 10.0.2.15.
    pub guest: SocketAddrV4,
}

/// Why a machine did not start or did not do what was expected.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The image cannot be read.
    #[error("reading the image")]
    Image(#[from] OsError),
    /// The image's kernel cannot be found.
    #[error("looking for the image's kernel")]
    Kernel(#[from] KernelError),
    /// A file or pipe failed.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// QEMU is not installed.
    #[error("{program} is not installed; on Debian: apt install {package}")]
    NoQemu {
        /// The program.
        program: String,
        /// The package that has it.
        package: &'static str,
    },
    /// What was waited for did not come.
    #[error("the machine did not {what} within {} seconds", within.as_secs())]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        within: Duration,
    },
    /// The image is for other processors than the board.
    #[error(
        "the image is for {image}, the board {board} has {needs}; name the image's own board with --board"
    )]
    Architecture {
        /// What the image is for.
        image: Arch,
        /// The board.
        board: String,
        /// What the board runs.
        needs: Arch,
    },
    /// The user pressed Ctrl-C.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// QEMU ended before what was waited for came.
    #[error("the machine ended before it could {what}")]
    Ended {
        /// What was waited for.
        what: &'static str,
    },
}

/// How often a wait looks whether the user wants to stop.
const TICK: Duration = Duration::from_millis(200);

/// A running machine. Dropped, it is killed.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    lines: Receiver<String>,
    monitor: TcpStream,
    interrupt: Interrupt,
    _files: TempDir,
}

impl Vm {
    /// Takes kernel, initial RAM disk and arguments from the image, and starts QEMU on it.
    pub fn start(machine: &Machine, interrupt: &Interrupt) -> Result<Self, VmError> {
        let files = tempfile::tempdir().map_err(io_error("making a temporary folder"))?;
        let mut command = command(machine, files.path())?;
        // QEMU connects to us: no race on who is first, and nothing but the loopback address is used.
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io_error("opening the monitor"))?;
        let address = listener.local_addr().map_err(io_error("opening the monitor"))?;
        command.arg("-qmp").arg(format!("tcp:{address}"));
        let mut child = command.spawn().map_err(|source| not_started(machine, source))?;
        let lines = read_lines(&mut child);
        let monitor = accept(&listener, &mut child).inspect_err(|_| {
            // There is no `Vm` yet whose drop would do it.
            let _ = child.kill();
            let _ = child.wait();
        })?;
        let mut vm = Self { child, lines, monitor, interrupt: interrupt.clone(), _files: files };
        vm.tell("qmp_capabilities")?;
        Ok(vm)
    }

    /// Passes console lines to `see` until it answers `true`.
    pub fn wait_for(
        &self,
        what: &'static str,
        within: Duration,
        mut see: impl FnMut(&str) -> bool,
    ) -> Result<(), VmError> {
        let deadline = Instant::now() + within;
        loop {
            self.interrupt.check()?;
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(TICK)) {
                Ok(line) if see(&line) => return Ok(()),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) if left > TICK => {}
                Err(RecvTimeoutError::Timeout) => return Err(VmError::Timeout { what, within }),
                Err(RecvTimeoutError::Disconnected) => {
                    // Ctrl-C in a terminal reaches QEMU as well.
                    self.interrupt.check()?;
                    return Err(VmError::Ended { what });
                }
            }
        }
    }

    /// Presses the power button and waits for the guest to shut down.
    pub fn power_off(mut self, within: Duration, mut see: impl FnMut(&str)) -> Result<ExitStatus, VmError> {
        const WHAT: &str = "power off";
        self.tell("system_powerdown")?;
        match self.wait_for(WHAT, within, |line| {
            see(line);
            false
        }) {
            Err(VmError::Ended { .. }) => self.child.wait().map_err(io_error("waiting for QEMU")),
            Err(error) => Err(error),
            Ok(()) => Err(VmError::Ended { what: WHAT }),
        }
    }

    fn tell(&mut self, command: &str) -> Result<(), VmError> {
        writeln!(self.monitor, "{{\"execute\":\"{command}\"}}").map_err(io_error("telling QEMU what to do"))
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The console as lines, read by a thread that ends with the process.
fn read_lines(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
    }
    lines
}

/// Waits for QEMU's connection; where QEMU ends at once, its own message is on stderr already.
fn accept(listener: &TcpListener, child: &mut Child) -> Result<TcpStream, VmError> {
    const WHAT: &str = "open its monitor";
    let within = Duration::from_secs(60);
    listener.set_nonblocking(true).map_err(io_error("opening the monitor"))?;
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        match listener.accept() {
            Ok((stream, SocketAddr::V4(_) | SocketAddr::V6(_))) => {
                stream.set_nonblocking(false).map_err(io_error("opening the monitor"))?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(source) => return Err(VmError::Io { what: "opening the monitor".to_owned(), source }),
        }
        if child.try_wait().map_err(io_error("starting QEMU"))?.is_some() {
            return Err(VmError::Ended { what: WHAT });
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(VmError::Timeout { what: WHAT, within })
}

fn command(machine: &Machine, files: &Path) -> Result<Command, VmError> {
    let image = OsImage::open(machine.image)?;
    let tree = image.tree(Access::Read)?;
    let (board, arch) = (machine.board, probe(&image)?.arch);
    if arch != board.architecture {
        return Err(VmError::Architecture {
            image: arch,
            board: board.name.clone(),
            needs: board.architecture,
        });
    }
    let boot = boot_files(&tree, machine.board.boot, image.boot_folder())?;
    let qemu = &machine.board.qemu;
    let mut command = Command::new(program(machine));
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"]);
    command.args(["-M", &qemu.machine, "-cpu", &qemu.cpu, "-smp", "2", "-m"]).arg(machine.memory.to_string());
    // Not KVM, even where /dev/kvm is: nested or restricted ones start and then hang, and a boot that only some
    // machines can do proves less than a slower one that all can.
    command.args(["-accel", "tcg,thread=multi"]);
    for (option, path) in [("-kernel", Some(&boot.kernel)), ("-initrd", boot.initrd.as_ref())] {
        if let Some(path) = path {
            let file = files.join(option.trim_start_matches('-'));
            let mut out = File::create(&file).map_err(io_error("copying the image's kernel"))?;
            tree.copy_to(path, &mut out).map_err(KernelError::Fs)?;
            command.arg(option).arg(file);
        }
    }
    command.arg("-append").arg(with_console(&boot.arguments, &qemu.console));
    for (number, disk) in
        [machine.image].into_iter().chain(machine.disks.iter().map(PathBuf::as_path)).enumerate()
    {
        // A comma in a path is written twice in QEMU's options.
        let file = disk.display().to_string().replace(',', ",,");
        command.arg("-drive").arg(format!("file={file},format=raw,if=none,id=d{number},discard=unmap"));
        command.arg("-device").arg(format!("virtio-blk-pci,drive=d{number}"));
    }
    plug_in(&mut command, &machine.network);
    if let Some(clock) = machine.clock {
        command.arg("-rtc").arg(format!("base={clock}"));
    }
    command.args(["-device", "virtio-rng-pci"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

fn plug_in(command: &mut Command, network: &Network) {
    let mut card = "virtio-net-pci,netdev=n0,romfile=".to_owned();
    let netdev = match network {
        Network::Alone { forward } => {
            let forward = forward.map(|Forward { host, guest }| {
                format!(",hostfwd=tcp:127.0.0.1:{host}-{}:{}", guest.ip(), guest.port())
            });
            format!("user,id=n0,restrict=on{}", forward.unwrap_or_default())
        }
        Network::Switch { socket, mac } => {
            card.push_str(&format!(",mac={mac}"));
            let path = socket.display().to_string().replace(',', ",,");
            format!("stream,id=n0,server=off,addr.type=unix,addr.path={path}")
        }
    };
    command.arg("-netdev").arg(netdev).arg("-device").arg(card);
}

fn program(machine: &Machine) -> String {
    format!("qemu-system-{}", machine.board.architecture)
}

fn not_started(machine: &Machine, source: io::Error) -> VmError {
    let program = program(machine);
    if source.kind() == io::ErrorKind::NotFound {
        let package = if program.ends_with("aarch64") { "qemu-system-arm" } else { "qemu-system-x86" };
        return VmError::NoQemu { program, package };
    }
    VmError::Io { what: format!("starting {program}"), source }
}

fn io_error(what: &'static str) -> impl Fn(io::Error) -> VmError {
    move |source| VmError::Io { what: what.to_owned(), source }
}

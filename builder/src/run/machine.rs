//! What a machine consists of, and how QEMU is told.

use std::fs::File;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::arch::Arch;
use crate::board::Board;
use crate::os::{Access, OsImage, probe};

use super::kernel::{KernelError, boot_files, with_console};
use super::vm::{VmError, io_error};
use super::{raspberry_pi, uefi};

/// What to start.
#[derive(Debug, Clone)]
pub struct Machine<'a> {
    /// Whose stand-in it is.
    pub board: &'a Board,
    /// The image; the guest writes to it.
    pub image: &'a Path,
    /// What starts its kernel.
    pub start: Start<'a>,
    /// Further disks; the guest writes to them.
    pub disks: Vec<PathBuf>,
    /// Memory in MiB.
    pub memory: u32,
    /// What its network card is plugged into.
    pub network: Network,
    /// What its clock shows at the start, as `2001-01-01`; none for this machine's time.
    pub clock: Option<&'a str>,
}

/// What starts a machine's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start<'a> {
    /// QEMU itself: quick, and without the board's firmware and boot loader. The console is the board's stand-in's.
    Kernel {
        /// The image to take kernel and arguments from, where the one that is booted cannot be read since its power
        /// was cut.
        from: Option<&'a Path>,
    },
    /// UEFI firmware, which runs the boot loader on the image's ESP; that reads its own configuration, unchanged.
    Uefi,
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

/// QEMU's command line; what it needs besides the image and the disks is put into the directory `files`.
pub(super) fn command(machine: &Machine, files: &Path) -> Result<Command, VmError> {
    let qemu = &machine.board.qemu;
    let mut command = Command::new(program(machine).0);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.args(["-M", &qemu.machine, "-cpu", &qemu.cpu, "-m"]).arg(machine.memory.to_string());
    // Not KVM, even where /dev/kvm exists: nested or restricted ones start and then hang, and a boot that works only on
    // some machines proves less than a slower one that works on all.
    command.args(["-accel", "tcg,thread=multi"]);
    match machine.start {
        Start::Kernel { from } => {
            load_kernel(&mut command, machine, &open(machine, from.unwrap_or(machine.image))?, files)?;
        }
        Start::Uefi => {
            open(machine, machine.image)?;
            uefi::plug_in(&mut command, machine.board, files)?;
        }
    }
    if qemu.device_tree.is_some() {
        raspberry_pi::plug_in(&mut command, machine);
    } else {
        command.args(["-smp", "2", "-serial", "stdio", "-device", "virtio-rng-pci"]);
        plug_in_disks(&mut command, machine);
        let card = netdev(&mut command, &machine.network);
        command.arg("-device").arg(format!("virtio-net-pci,romfile=,{card}"));
    }
    if let Some(clock) = machine.clock {
        command.arg("-rtc").arg(format!("base={clock}"));
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

/// The image, if it is for the board's processors.
fn open(machine: &Machine, path: &Path) -> Result<OsImage, VmError> {
    let image = OsImage::open(path)?;
    let (board, arch) = (machine.board, probe(&image, &[])?.arch);
    if arch != board.architecture {
        return Err(VmError::Architecture {
            image: arch,
            board: board.name.clone(),
            needs: board.architecture,
        });
    }
    Ok(image)
}

/// The kernel that the image's boot loader would load, with its arguments.
fn load_kernel(
    command: &mut Command,
    machine: &Machine,
    image: &OsImage,
    files: &Path,
) -> Result<(), VmError> {
    let tree = image.tree(Access::Read)?;
    let boot = boot_files(&tree, machine.board, image.boot_dir())?;
    for (option, path) in [("-kernel", Some(&boot.kernel)), ("-initrd", boot.initrd.as_ref())] {
        if let Some(path) = path {
            let file = files.join(option.trim_start_matches('-'));
            let mut out = File::create(&file).map_err(io_error("copying the image's kernel"))?;
            tree.copy_to(path, &mut out).map_err(KernelError::Fs)?;
            command.arg(option).arg(file);
        }
    }
    if let Some(name) = &machine.board.qemu.device_tree {
        let tree_file = files.join("device-tree");
        let mut out = File::create(&tree_file).map_err(io_error("copying the image's device tree"))?;
        tree.copy_to(&boot.beside(name)?, &mut out).map_err(KernelError::Fs)?;
        command.arg("-dtb").arg(tree_file);
    }
    command.arg("-append").arg(with_console(&boot.arguments, &machine.board.qemu.console));
    Ok(())
}

/// The image is the first of them, and UEFI looks at it first.
fn plug_in_disks(command: &mut Command, machine: &Machine) {
    let disks = [machine.image].into_iter().chain(machine.disks.iter().map(PathBuf::as_path));
    for (number, disk) in disks.enumerate() {
        let file = escaped(disk);
        command.arg("-drive").arg(format!("file={file},format=raw,if=none,id=d{number},discard=unmap"));
        // Else it may try the network before. A kernel that QEMU loads has the place of the first disk.
        let order = if machine.start == Start::Uefi { format!(",bootindex={number}") } else { String::new() };
        command.arg("-device").arg(format!("virtio-blk-pci,drive=d{number}{order}"));
    }
}

/// A comma in a path is written twice in QEMU's options. QEMU takes words such as `nbd:` at the beginning for a protocol;
/// an absolute path has none.
pub(super) fn escaped(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| Path::new("/").join(path));
    path.display().to_string().replace(',', ",,")
}

/// The network behind a card, and what the card's own option needs of it.
pub(super) fn netdev(command: &mut Command, network: &Network) -> String {
    let (netdev, card) = match network {
        Network::Alone { forward } => {
            let forward = forward.map(|Forward { host, guest }| {
                format!(",hostfwd=tcp:127.0.0.1:{host}-{}:{}", guest.ip(), guest.port())
            });
            let netdev = format!("user,id=n0,restrict=on{}", forward.unwrap_or_default());
            (netdev, "netdev=n0".to_owned())
        }
        Network::Switch { socket, mac } => {
            let netdev = format!("stream,id=n0,server=off,addr.type=unix,addr.path={}", escaped(socket));
            (netdev, format!("netdev=n0,mac={mac}"))
        }
    };
    command.arg("-netdev").arg(netdev);
    card
}

/// QEMU for the board's processors, and Debian's package that has it.
pub(super) fn program(machine: &Machine) -> (&'static str, &'static str) {
    match machine.board.architecture {
        Arch::Aarch64 => ("qemu-system-aarch64", "qemu-system-arm"),
        Arch::Armv7 => ("qemu-system-arm", "qemu-system-arm"),
        Arch::X86_64 => ("qemu-system-x86_64", "qemu-system-x86"),
    }
}

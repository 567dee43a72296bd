//! What a machine consists of, and how QEMU is told.

use std::fs::File;
use std::net::SocketAddrV4;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hc_common::value::MacAddress;

use crate::arch::Arch;
use crate::board::Board;
use crate::os::{Access, OsImage, probe};

use super::acceleration::Accelerator;
use super::attachment::{self, NamedDisk};
use super::kernel::{KernelError, boot_files, with_console};
use super::process;
use super::vm::{VmError, io_error};
use super::{raspberry_pi, uefi};

/// What to start.
#[derive(Debug)]
pub struct Machine<'a> {
    /// Whose stand-in it is.
    pub board: &'a Board,
    /// The disk that it boots from; the guest writes to it.
    pub disk: Disk,
    /// The image to take kernel and arguments from, where the disk itself cannot be read: it is an overlay, or its power was
    /// cut.
    pub image: Option<&'a Path>,
    /// What starts its kernel.
    pub start: Start,
    /// Further disks; the guest writes to them.
    pub disks: Vec<Disk>,
    /// Disks that the guest finds by their names; not on a machine that is a board of QEMU's own.
    pub named_disks: Vec<NamedDisk>,
    /// Memory in MiB.
    pub memory: u32,
    /// Processors.
    pub cpus: u32,
    /// What runs its instructions.
    pub accelerator: Accelerator,
    /// What its network card is plugged into.
    pub network: Network,
    /// What its clock shows at the start, as `2001-01-01`; none for this machine's time.
    pub clock: Option<&'a str>,
}

/// A disk of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub format: DiskFormat,
}

impl Disk {
    /// An image as it is.
    pub fn raw(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), format: DiskFormat::Raw }
    }
}

/// What the file of a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// The disk's bytes.
    Raw,
    /// A qcow2 file whose backing file has what was not written to it. It is lost with its run or kept after the machine's
    /// end, so nothing is synced meanwhile.
    Overlay,
}

/// What starts a machine's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// QEMU itself: quick, and without the board's firmware and boot loader. The console is the board's stand-in's.
    Kernel,
    /// UEFI firmware, which runs the boot loader on the image's ESP; that reads its own configuration, unchanged.
    Uefi,
}

/// What a machine's network card is plugged into.
#[derive(Debug)]
pub enum Network {
    /// QEMU's own network, 10.0.2.0/24 with DHCP, on which nothing else answers.
    Alone {
        /// A port of this machine, on 127.0.0.1 only, behind which one of the guest's is reached.
        forward: Option<Forward>,
    },
    /// A switch of this process.
    Switch {
        /// The end of its port.
        port: UnixStream,
        /// The card's own address.
        mac: MacAddress,
    },
}

impl Network {
    /// What QEMU inherits of it.
    pub(super) fn into_port(self) -> Option<UnixStream> {
        match self {
            Self::Switch { port, .. } => Some(port),
            Self::Alone { .. } => None,
        }
    }
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
    let mut command = process::qemu(program(machine.board).0);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.args(["-M", &qemu.machine, "-m"]).arg(machine.memory.to_string());
    command.args(machine.accelerator.arguments(machine.board));
    let image = open(machine.board, machine.image.unwrap_or(&machine.disk.path))?;
    match machine.start {
        Start::Kernel => load_kernel(&mut command, machine, &image, files)?,
        Start::Uefi => uefi::plug_in(&mut command, machine.board, files)?,
    }
    if qemu.device_tree.is_some() {
        raspberry_pi::plug_in(&mut command, machine);
    } else {
        command.arg("-smp").arg(machine.cpus.to_string());
        command.args(["-serial", "stdio", "-device", "virtio-rng-pci"]);
        plug_in_disks(&mut command, machine);
        attachment::plug_in(&mut command, &machine.named_disks);
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
pub(super) fn open(board: &Board, path: &Path) -> Result<OsImage, VmError> {
    let image = OsImage::open(path)?;
    let arch = probe(&image, &[])?.arch;
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
    for (number, disk) in [&machine.disk].into_iter().chain(&machine.disks).enumerate() {
        command.arg("-drive").arg(format!("{},if=none,id=d{number},discard=unmap", drive(disk)));
        // Else it may try the network before. A kernel that QEMU loads has the place of the first disk.
        let order = if machine.start == Start::Uefi { format!(",bootindex={number}") } else { String::new() };
        command.arg("-device").arg(format!("virtio-blk-pci,drive=d{number}{order}"));
    }
}

/// The beginning of the value of `-drive`.
pub(super) fn drive(disk: &Disk) -> String {
    let format = match disk.format {
        DiskFormat::Raw => "raw",
        DiskFormat::Overlay => "qcow2,cache=unsafe,detect-zeroes=unmap",
    };
    format!("file={},format={format}", escaped(&disk.path))
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
        Network::Switch { mac, .. } => (process::stream("n0"), format!("netdev=n0,mac={mac}")),
    };
    command.arg("-netdev").arg(netdev);
    card
}

/// QEMU for the board's processors, and Debian's package that has it.
pub(super) fn program(board: &Board) -> (&'static str, &'static str) {
    match board.architecture {
        Arch::Aarch64 => ("qemu-system-aarch64", "qemu-system-arm"),
        Arch::Armv7 => ("qemu-system-arm", "qemu-system-arm"),
        Arch::X86_64 => ("qemu-system-x86_64", "qemu-system-x86"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_named_with_its_format() {
        let overlay = Disk { path: "/a,b/nbd:x".into(), format: DiskFormat::Overlay };
        assert_eq!(drive(&overlay), "file=/a,,b/nbd:x,format=qcow2,cache=unsafe,detect-zeroes=unmap");
        // A relative name would be taken for a protocol.
        let here = drive(&Disk::raw("nbd:x"));
        assert!(here.starts_with("file=/") && here.ends_with("/nbd:x,format=raw"), "{here}");
    }

    #[test]
    fn a_card_is_behind_the_inherited_port() {
        let (port, _other) = UnixStream::pair().unwrap();
        let network = Network::Switch { port, mac: "52:54:00:00:00:01".parse().unwrap() };
        let mut command = Command::new("qemu");
        assert_eq!(netdev(&mut command, &network), "netdev=n0,mac=52:54:00:00:00:01");
        let given: Vec<_> = command.get_args().collect();
        assert_eq!(given, ["-netdev", "stream,id=n0,server=off,addr.type=fd,addr.str=3"]);
    }
}

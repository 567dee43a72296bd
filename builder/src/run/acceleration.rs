//! Whether the processor's help for virtual machines is one: a tiny guest is timed with it and without it.
//!
//! That a device such as `/dev/kvm` exists and opens says little: nested machines may emulate it, and then a guest that
//! QEMU alone boots in a second takes minutes, or hangs. So the guest below runs first with QEMU's own translation (TCG), and then
//! with the help, which has no more time than that took. Only a guest that ends by itself, and sooner, decides for it.

use std::fs;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::arch::Arch;
use crate::board::Board;
use crate::source::leftovers::RunDir;

use super::machine::{escaped, program};
use super::process;

/// What runs a machine's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's own translation: works everywhere, slowly.
    Tcg,
    /// Linux.
    Kvm,
    /// macOS.
    Hvf,
    /// Windows.
    Whpx,
}

impl Accelerator {
    /// QEMU's options for it, with the processor.
    pub(super) fn arguments(self, board: &Board) -> [&str; 4] {
        let own = board.qemu.cpu.as_str();
        match self {
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", own],
            // The help is that of this computer's own processor.
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Hvf => ["-accel", "hvf", "-cpu", "host"],
            // QEMU #1043: its own interrupt controller does not work with it; it has no `host`.
            Self::Whpx => ["-accel", "whpx,kernel-irqchip=off", "-cpu", "qemu64"],
        }
    }

    /// The best for a board's machine that was seen to work, and why, in words.
    pub fn choose(board: &Board) -> (Self, String) {
        let Some(help) = candidate(board) else { return (Self::Tcg, unsuited(board)) };
        let dir = RunDir::new().ok();
        let Some((files, slow)) =
            dir.as_ref().and_then(|dir| Some((dir.path(), run(board, Self::Tcg, dir.path(), LONGEST)?)))
        else {
            return (Self::Tcg, "the guest that tries it does not run".to_owned());
        };
        match run(board, help, files, slow) {
            Some(fast) => {
                (help, format!("tried: {} ms, and {} ms without", fast.as_millis(), slow.as_millis()))
            }
            None => (
                Self::Tcg,
                format!("{help:?} was tried: not done in the {} ms that it takes without", slow.as_millis()),
            ),
        }
    }
}

/// How long the guest may take at all.
const LONGEST: Duration = Duration::from_secs(20);

/// What this computer may have for a board's machine.
fn candidate(board: &Board) -> Option<Accelerator> {
    let is_own = match board.architecture {
        Arch::X86_64 => cfg!(target_arch = "x86_64"),
        Arch::Aarch64 => cfg!(target_arch = "aarch64"),
        // No 64-bit machine is sure to run 32-bit guests.
        Arch::Armv7 => false,
    };
    if !is_own || board.qemu.device_tree.is_some() {
        return None;
    }
    match std::env::consts::OS {
        "linux" => Path::new("/dev/kvm").exists().then_some(Accelerator::Kvm),
        "macos" => Some(Accelerator::Hvf),
        "windows" => Some(Accelerator::Whpx),
        _ => None,
    }
}

fn unsuited(board: &Board) -> String {
    format!("this computer has no help for {}", board.architecture)
}

/// Runs the guest, and says how long it took if it ended as it should, in less than `within`.
fn run(board: &Board, accelerator: Accelerator, files: &Path, within: Duration) -> Option<Duration> {
    let Guest { option, code, device, wanted } = guest(board.architecture)?;
    let file = files.join(format!("guest-{}", board.architecture));
    fs::write(&file, code).ok()?;
    let mut command = process::qemu(program(board).0);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "64"]);
    command.args(["-M", &board.qemu.machine]).args(accelerator.arguments(board));
    command.args(device).arg(option).arg(escaped(&file));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = process::spawn(command, None).ok()?;
    let status = wait(&mut child, within);
    let took = begun.elapsed();
    process::end(&mut child);
    (status?.code() == Some(wanted) && took < within).then_some(took)
}

fn wait(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < within {
        if let Some(status) = child.try_wait().ok()? {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(2));
    }
    None
}

/// A guest of a few instructions: it counts down, which shows how fast instructions run, and ends QEMU.
struct Guest {
    /// QEMU's option that takes the file.
    option: &'static str,
    code: Vec<u8>,
    /// What it needs to end QEMU.
    device: &'static [&'static str],
    /// QEMU's exit code then.
    wanted: i32,
}

/// From how many the guest counts down, in units of 65536: half a second or so without help.
const ROUNDS: u16 = 1500;

fn guest(arch: Arch) -> Option<Guest> {
    match arch {
        Arch::X86_64 => Some(Guest {
            option: "-bios",
            code: x86(),
            device: &["-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
            // (value << 1) | 1, with 0x2a (QEMU, hw/misc/debugexit.c).
            wanted: 0x55,
        }),
        // The machine `virt` has PSCI, which ends QEMU in order.
        Arch::Aarch64 => Some(Guest { option: "-kernel", code: aarch64(), device: &[], wanted: 0 }),
        Arch::Armv7 => None,
    }
}

/// A BIOS of 64 KiB: the processor starts 16 bytes before its end, in real mode (Intel SDM volume 3, 11.1.4).
fn x86() -> Vec<u8> {
    let [low, high] = ROUNDS.to_le_bytes();
    let program = [
        &[0xfa_u8] as &[u8],            // cli
        &[0x66, 0xb9, 0, 0, low, high], // mov ecx, ROUNDS << 16
        &[0x66, 0x49],                  // dec ecx
        &[0x75, 0xfc],                  // jnz to dec
        &[0xb0, 0x2a],                  // mov al, 0x2a
        &[0xba, 0xf4, 0x00],            // mov dx, 0xf4
        &[0xee],                        // out dx, al
        &[0xf4],                        // hlt
    ]
    .concat();
    let mut bios = program;
    bios.resize(0xfff0, 0xf4);
    // jmp to the beginning: 0x10000 - 0xfff3.
    bios.extend([0xe9, 0x0d, 0x00]);
    bios.resize(0x10000, 0xf4);
    bios
}

/// A flat binary (A64 instruction set, Arm ARM C6.2; PSCI `SYSTEM_OFF`, Arm DEN 0022).
fn aarch64() -> Vec<u8> {
    let count = 0xd2a0_0001 | u32::from(ROUNDS) << 5; // movz x1, #ROUNDS, lsl #16
    let program: [u32; 7] = [
        count,
        0xf100_0421, // subs x1, x1, #1
        0x54ff_ffe1, // b.ne to subs
        0xd2b0_8000, // movz x0, #0x8400, lsl #16
        0xf280_0100, // movk x0, #8
        0xd400_0002, // hvc #0
        0x1400_0000, // b to itself
    ];
    program.into_iter().flat_map(u32::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Boards;

    #[test]
    fn the_guest_ends_qemu_by_itself() {
        let (boards, dir) = (Boards::load(None).unwrap(), tempfile::tempdir().unwrap());
        for board in ["pc", "cm4"] {
            let board = boards.get(board).unwrap();
            if process::qemu(program(board).0).arg("--version").output().is_err() {
                eprintln!("SKIPPED: {} is not installed", program(board).0);
                continue;
            }
            let took = run(board, Accelerator::Tcg, dir.path(), Duration::from_secs(120));
            assert!(took.is_some(), "{}", board.name);
            // It counts: without time nothing is done.
            assert_eq!(run(board, Accelerator::Tcg, dir.path(), Duration::from_millis(1)), None);
        }
    }

    #[test]
    fn a_machine_of_another_processor_has_no_help() {
        let boards = Boards::load(None).unwrap();
        let other = if cfg!(target_arch = "x86_64") { "cm4" } else { "pc" };
        for board in [other, "pi2"] {
            let (chosen, why) = Accelerator::choose(boards.get(board).unwrap());
            assert_eq!(chosen, Accelerator::Tcg);
            assert!(why.contains("no help"), "{why}");
        }
    }
}

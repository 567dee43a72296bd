//! A QEMU process: its console as lines, its power button, and its end with its owner's.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use crate::arch::Arch;
use crate::exit_class::{Classified, ExitClass};
use crate::interrupt::{Interrupt, Interrupted};
use crate::os::OsError;
use crate::source::leftovers::RunDir;

use serde_json::{Value, json};

use super::kernel::KernelError;
use super::machine::{Machine, command, program};
use super::monitor::{Expected, Monitor};
use super::process;
use super::subnet::NetworkError;
use super::uefi::UefiError;

/// Why a machine did not start or did not do what was expected.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The image cannot be read.
    #[error("reading the image")]
    Image(#[from] OsError),
    /// The image's kernel cannot be found.
    #[error("looking for the image's kernel")]
    Kernel(#[from] KernelError),
    /// There is no UEFI firmware for it.
    #[error("looking for UEFI firmware")]
    Uefi(#[from] UefiError),
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
        program: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// The machine did not do what was waited for in time.
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
    /// hcimage did not build the image.
    #[error("{} was not built by hcimage, or not by this version: {why}", image.display())]
    NotBuilt {
        /// The image.
        image: PathBuf,
        /// What is missing.
        why: String,
    },
    /// A disk that QEMU has not.
    #[error(
        "node {node} is built for the disk {}, and QEMU has none that is called so: it has those called ata-…, wwn-0x… \
         and virtio-…; name the disk by another of its links in /dev/disk/by-id",
        path.display()
    )]
    RawDisk {
        /// The node.
        node: String,
        /// The disk's path.
        path: PathBuf,
    },
    /// Nothing to run.
    #[error("there are no nodes")]
    NoNodes,
    /// The nodes cannot be on one network.
    #[error("putting the nodes on one network")]
    Network(#[from] NetworkError),
    /// The router forwards no port.
    #[error("QEMU does not forward a port to {to}: {said}")]
    NoForward {
        /// Where to.
        to: SocketAddrV4,
        /// What QEMU said.
        said: String,
    },
    /// Another program that is needed failed.
    #[error("{program} failed: {said}")]
    Program {
        /// The program.
        program: &'static str,
        /// The end of what it said.
        said: String,
    },
    /// The user pressed Ctrl-C.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// QEMU ended before that.
    #[error("the machine ended before it could {what}")]
    Ended {
        /// What was waited for.
        what: &'static str,
    },
}

impl Classified for VmError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::NotBuilt { .. } | Self::Architecture { .. } | Self::RawDisk { .. } => {
                Some(ExitClass::Unsupported)
            }
            Self::NoNodes => Some(ExitClass::Usage),
            _ => None,
        }
    }
}

/// The longest line of a console in bytes.
const LONGEST_LINE: u64 = 4096;

/// The most lines that wait for whoever reads them; the guest waits too then.
const MOST_WAITING: usize = 16_384;

/// The most lines that are passed on at once: other machines have their turn too.
const MOST_AT_ONCE: usize = 1000;

/// How often a wait checks for an interrupt.
const TICK: Duration = Duration::from_millis(200);

/// A running machine. Dropped, it is killed.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    lines: Receiver<String>,
    monitor: Monitor,
    button: Value,
    interrupt: Interrupt,
    _files: RunDir,
}

/// The power button; where there is none, as on a Raspberry Pi, the three keys at which systemd restarts, and QEMU ends at that.
fn button(has_power_button: bool) -> Value {
    if has_power_button {
        return json!({ "execute": "system_powerdown" });
    }
    let keys = ["ctrl", "alt", "delete"].map(|key| json!({ "type": "qcode", "data": key }));
    json!({ "execute": "send-key", "arguments": { "keys": keys } })
}

impl Vm {
    /// Starts QEMU on the image.
    ///
    /// # Errors
    /// Where the image cannot be booted on this machine, and where QEMU does not start.
    pub fn start(machine: Machine, interrupt: &Interrupt) -> Result<Self, VmError> {
        let files = RunDir::new().map_err(io_error("making a temporary directory"))?;
        let mut command = command(&machine, files.path())?;
        let expected = Expected::open()?;
        command.arg("-qmp").arg(expected.option()?);
        let (qemu, button) = (program(machine.board), button(machine.board.qemu.device_tree.is_none()));
        let child = process::spawn(command, machine.network.into_port());
        let mut child = child.map_err(|source| not_started(qemu, source))?;
        let lines = read_lines(&mut child);
        // There is no `Vm` yet to do it when dropped.
        let monitor = expected.accept(&mut child).inspect_err(|_| process::end(&mut child))?;
        Ok(Self { child, lines, monitor, button, interrupt: interrupt.clone(), _files: files })
    }

    /// Passes on what its console has said since, without waiting, at most a thousand lines; says whether the machine
    /// still runs.
    pub fn poll(&self, mut see: impl FnMut(&str)) -> bool {
        for _ in 0..MOST_AT_ONCE {
            match self.lines.try_recv() {
                Ok(line) => see(&line),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
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
                    self.interrupt.check()?;
                    return Err(VmError::Ended { what });
                }
            }
        }
    }

    /// Presses the power button, or what the machine has for one.
    ///
    /// # Errors
    /// Where QEMU has ended.
    pub fn press_button(&mut self) -> Result<(), VmError> {
        self.monitor.send(&self.button)
    }

    /// Presses the button and waits for the guest to shut down.
    ///
    /// # Errors
    /// Where it does not do so in time.
    pub fn power_off(mut self, within: Duration, mut see: impl FnMut(&str)) -> Result<ExitStatus, VmError> {
        const WHAT: &str = "power off";
        self.press_button()?;
        match self.wait_for(WHAT, within, |line| {
            see(line);
            false
        }) {
            Err(VmError::Ended { .. }) => self.child.wait().map_err(io_error("waiting for QEMU")),
            Err(error) => Err(error),
            Ok(()) => Err(VmError::Ended { what: WHAT }),
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        process::end(&mut self.child);
    }
}

/// The console as lines, read by a thread that ends with the process.
fn read_lines(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = mpsc::sync_channel(MOST_WAITING);
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut console = BufReader::new(stdout);
            while let Ok(Some(line)) = read_line(&mut console) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    lines
}

/// The next line without its end, if there is one, and its beginning where it is longer than any: a guest may write without end.
fn read_line(console: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = console.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if read as u64 == LONGEST_LINE && !line.ends_with(b"\n") {
        skip_line(console)?;
    }
    let text =
        String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).trim_end_matches('\r').to_owned();
    Ok(Some(text))
}

/// Reads up to the end of a line and keeps nothing of it.
fn skip_line(console: &mut impl BufRead) -> io::Result<()> {
    loop {
        let bytes = console.fill_buf()?;
        let (length, end) = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end.saturating_add(1), true),
            None => (bytes.len(), bytes.is_empty()),
        };
        console.consume(length);
        if end {
            return Ok(());
        }
    }
}

/// QEMU's program with the package that has it did not start.
pub(super) fn not_started((program, package): (&'static str, &'static str), source: io::Error) -> VmError {
    if source.kind() == io::ErrorKind::NotFound {
        return VmError::NoQemu { program, package };
    }
    VmError::Io { what: format!("starting {program}"), source }
}

pub(super) fn io_error(what: &'static str) -> impl Fn(io::Error) -> VmError {
    move |source| VmError::Io { what: what.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_line_is_cut() {
        let mut console = io::repeat(b'a').take(100_000).chain(&b"b\r\nlast"[..]);
        let mut console = BufReader::new(&mut console);
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut console).unwrap() {
            lines.push(line);
        }
        let lengths: Vec<usize> = lines.iter().map(String::len).collect();
        assert_eq!(lengths, [4096, 4]);
        assert_eq!(lines.last().unwrap(), "last");
    }
}

//! A QEMU process: its console as lines, its power button, and its end with its owner's.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::arch::Arch;
use crate::interrupt::{Interrupt, Interrupted};
use crate::os::OsError;
use crate::source::leftovers::RunDir;

use super::kernel::KernelError;
use super::machine::{Machine, command, program};
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

/// The longest line of a console in bytes.
const LONGEST_LINE: u64 = 4096;

/// The most lines that wait for whoever reads them; the guest waits too then.
const MOST_WAITING: usize = 16_384;

/// How often a wait checks for an interrupt.
const TICK: Duration = Duration::from_millis(200);

/// A running machine. Dropped, it is killed.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    lines: Receiver<String>,
    monitor: TcpStream,
    button: &'static str,
    interrupt: Interrupt,
    _files: RunDir,
}

/// The power button.
const BUTTON: &str = r#"{"execute":"system_powerdown"}"#;

/// Where there is none, as on a Raspberry Pi: systemd restarts, and QEMU ends at that.
const CTRL_ALT_DELETE: &str = concat!(
    r#"{"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"ctrl"},"#,
    r#"{"type":"qcode","data":"alt"},{"type":"qcode","data":"delete"}]}}"#
);

impl Vm {
    /// Starts QEMU on the image.
    pub fn start(machine: &Machine, interrupt: &Interrupt) -> Result<Self, VmError> {
        let files = RunDir::new().map_err(io_error("making a temporary directory"))?;
        let mut command = command(machine, files.path())?;
        // QEMU connects to us: no race on who is first, and nothing but the loopback address is used.
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io_error("opening the monitor"))?;
        let address = listener.local_addr().map_err(io_error("opening the monitor"))?;
        command.arg("-qmp").arg(format!("tcp:{address}"));
        let mut child = command.spawn().map_err(|source| not_started(program(machine), source))?;
        let lines = read_lines(&mut child);
        let monitor = accept(&listener, &mut child).inspect_err(|_| {
            // There is no `Vm` yet to do it when dropped.
            let _ = child.kill();
            let _ = child.wait();
        })?;
        let button = if machine.board.qemu.device_tree.is_some() { CTRL_ALT_DELETE } else { BUTTON };
        let mut vm = Self { child, lines, monitor, button, interrupt: interrupt.clone(), _files: files };
        vm.qmp_send(r#"{"execute":"qmp_capabilities"}"#)?;
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

    /// Presses the power button, or what the machine has for one, and waits for the guest to shut down.
    pub fn power_off(mut self, within: Duration, mut see: impl FnMut(&str)) -> Result<ExitStatus, VmError> {
        const WHAT: &str = "power off";
        self.qmp_send(self.button)?;
        match self.wait_for(WHAT, within, |line| {
            see(line);
            false
        }) {
            Err(VmError::Ended { .. }) => self.child.wait().map_err(io_error("waiting for QEMU")),
            Err(error) => Err(error),
            Ok(()) => Err(VmError::Ended { what: WHAT }),
        }
    }

    fn qmp_send(&mut self, command: &str) -> Result<(), VmError> {
        writeln!(self.monitor, "{command}").map_err(io_error("sending a command to QEMU"))
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
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

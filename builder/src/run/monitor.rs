//! QEMU's monitor: commands as JSON on lines (QMP, QEMU's docs/interop/qmp-spec).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::vm::{VmError, io_error};

const OPENING: &str = "opening QEMU's monitor";
const ASKING: &str = "asking QEMU";

/// The longest answer in bytes.
const LONGEST: u64 = 1 << 20;

/// How long QEMU has for an answer, and to connect.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the monitor of a QEMU.
#[derive(Debug)]
pub(super) struct Monitor(BufReader<TcpStream>);

/// A port that a QEMU is to connect to: it is open before QEMU starts, so there is no race on who is first, and only the
/// loopback address is used.
#[derive(Debug)]
pub(super) struct Expected(TcpListener);

impl Expected {
    pub(super) fn open() -> Result<Self, VmError> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(Self).map_err(io_error(OPENING))
    }

    /// The value of QEMU's `-qmp`.
    pub(super) fn option(&self) -> Result<String, VmError> {
        Ok(format!("tcp:{}", self.0.local_addr().map_err(io_error(OPENING))?))
    }

    /// Waits for QEMU's connection; where QEMU ends at once, its own message is on stderr already.
    pub(super) fn accept(self, child: &mut Child) -> Result<Monitor, VmError> {
        const WHAT: &str = "open its monitor";
        self.0.set_nonblocking(true).map_err(io_error(OPENING))?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.0.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).map_err(io_error(OPENING))?;
                    let mut monitor = Monitor(BufReader::new(stream));
                    monitor.send(&json!({ "execute": "qmp_capabilities" }))?;
                    return Ok(monitor);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(source) => return Err(VmError::Io { what: OPENING.to_owned(), source }),
            }
            if child.try_wait().map_err(io_error("starting QEMU"))?.is_some() {
                return Err(VmError::Ended { what: WHAT });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(VmError::Timeout { what: WHAT, within: PATIENCE })
    }
}

impl Monitor {
    /// Sends a command, and does not wait for its answer.
    pub(super) fn send(&mut self, command: &Value) -> Result<(), VmError> {
        writeln!(self.0.get_mut(), "{command}").map_err(io_error("sending a command to QEMU"))
    }

    /// Gives a command of the monitor for people, and waits for what it prints. Answers to earlier commands and events
    /// are passed over.
    pub(super) fn ask(&mut self, line: &str) -> Result<String, VmError> {
        let command =
            json!({ "execute": "human-monitor-command", "arguments": { "command-line": line }, "id": line });
        self.send(&command)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(VmError::Timeout { what: "answer its monitor", within: PATIENCE });
            }
            self.0.get_ref().set_read_timeout(Some(left)).map_err(io_error(ASKING))?;
            let mut text = String::new();
            let read = self.0.by_ref().take(LONGEST).read_line(&mut text).map_err(io_error(ASKING))?;
            if read == 0 {
                return Err(VmError::Ended { what: "answer its monitor" });
            }
            let answer: Value = serde_json::from_str(&text)
                .map_err(|error| VmError::Io { what: ASKING.to_owned(), source: error.into() })?;
            if answer.get("id").and_then(Value::as_str) == Some(line) {
                return Ok(answer.get("return").and_then(Value::as_str).unwrap_or_default().to_owned());
            }
        }
    }
}

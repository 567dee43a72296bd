//! Running other programs with a time limit.

use std::fmt;
use std::io::{self, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The default time limit of a command.
const USUAL_LIMIT: Duration = Duration::from_secs(60);

/// The polling interval of a running command.
const POLL: Duration = Duration::from_millis(10);

/// How long to wait for the rest of the output after a command has ended (a child process may keep the pipe open).
const OUTPUT_LIMIT: Duration = Duration::from_secs(2);

/// A program, its arguments and its time limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Name (looked up in `PATH`) or path.
    pub program: String,
    /// Arguments, without the program's own name.
    pub args: Vec<String>,
    /// The time limit, after which the program is killed.
    pub limit: Duration,
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status 0.
    pub success: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Command {
    /// A command with the default time limit of one minute.
    pub fn new<A: Into<String>>(program: impl Into<String>, args: impl IntoIterator<Item = A>) -> Self {
        Self { program: program.into(), args: args.into_iter().map(Into::into).collect(), limit: USUAL_LIMIT }
    }

    pub(super) fn run(&self) -> io::Result<Output> {
        let mut child = self.spawn()?;
        let stdout = gather(child.stdout.take());
        let stderr = gather(child.stderr.take());
        let success = self.wait(&mut child)?;
        Ok(Output { success, stdout: text(&stdout), stderr: text(&stderr) })
    }

    fn spawn(&self) -> io::Result<Child> {
        std::process::Command::new(&self.program)
            .args(&self.args)
            // Messages are matched and shown unchanged: no translations.
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    /// Whether the command succeeded. After the time limit it is killed: [`io::ErrorKind::TimedOut`].
    fn wait(&self, child: &mut Child) -> io::Result<bool> {
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.success());
            }
            if start.elapsed() >= self.limit {
                child.kill()?;
                child.wait()?;
                let message = format!("timed out after {} s", self.limit.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            thread::sleep(POLL);
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))
    }
}

/// Reads a pipe on a separate thread, so that a full pipe cannot block the command.
fn gather(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    if let Some(mut pipe) = pipe {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // After an error the pipe has no more output.
            let _ = pipe.read_to_end(&mut bytes);
            let _ = sender.send(bytes);
        });
    }
    receiver
}

fn text(pipe: &Receiver<Vec<u8>>) -> String {
    let bytes = pipe.recv_timeout(OUTPUT_LIMIT).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_returns_its_output_and_status() {
        let out = Command::new("sh", ["-c", "echo out; echo err >&2; exit 3"]).run().unwrap();
        assert_eq!(out, Output { success: false, stdout: "out\n".into(), stderr: "err\n".into() });
    }

    #[test]
    fn more_output_than_the_pipe_buffer_does_not_block() {
        let out = Command::new("sh", ["-c", "head -c 300000 /dev/zero | tr '\\0' x"]).run().unwrap();
        assert_eq!(out.stdout.len(), 300_000);
    }

    #[test]
    fn a_command_that_hangs_is_killed() {
        let mut command = Command::new("sleep", ["1000"]);
        command.limit = Duration::from_millis(50);
        assert_eq!(command.run().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_missing_program_is_an_error() {
        assert_eq!(Command::new("/nowhere/x", [""; 0]).run().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

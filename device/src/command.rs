//! Asking a program of the system, with a limit of time and of what it says.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The longest list of disks in bytes.
#[cfg(any(windows, target_os = "macos"))]
pub(crate) const LONGEST: u64 = 4 << 20;

/// PowerShell alone takes seconds to start on a slow machine.
#[cfg(any(windows, target_os = "macos"))]
pub(crate) const TIME: Duration = Duration::from_secs(60);

/// What a program prints, at most `limit` bytes. One that has not ended its output after `time` is stopped.
///
/// # Errors
/// When it does not start, fails, prints more, or takes longer.
pub(crate) fn output(command: &mut Command, limit: u64, time: Duration) -> io::Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |why: String| io::Error::other(format!("{name} {why}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| failed(format!("does not start: {error}")))?;
    let (sender, receiver) = mpsc::sync_channel(1);
    if let Some(out) = child.stdout.take() {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = out.take(limit.saturating_add(1)).read_to_end(&mut bytes);
            // Nobody waits for it any more where it came too late.
            let _ = sender.send(read.map(|_| bytes));
        });
    }
    let read = receiver.recv_timeout(time);
    let said = match read {
        Ok(Ok(bytes)) if bytes.len() as u64 <= limit => Ok(bytes),
        Ok(Ok(_)) => Err(failed(format!("said more than {limit} bytes"))),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(failed(format!("gave no answer within {} seconds", time.as_secs()))),
    };
    if said.is_err() {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let bytes = said?;
    if status.success() { Ok(bytes) } else { Err(failed(format!("failed ({status})"))) }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    fn shell(script: &str, limit: u64, time: Duration) -> Result<String, String> {
        let mut command = Command::new("sh");
        let said = output(command.args(["-c", script]), limit, time).map_err(|error| error.to_string());
        said.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_program_has_limits() {
        let minute = Duration::from_secs(60);
        assert_eq!(shell("printf 1234", 4, minute).unwrap(), "1234");
        assert!(shell("printf 12345; exec sleep 1000", 4, minute).unwrap_err().contains("more than 4 bytes"));
        assert!(shell("exec sleep 1000", 4, Duration::ZERO).unwrap_err().contains("no answer"));
        assert!(shell("printf 1; exit 3", 4, minute).unwrap_err().contains("failed (exit status: 3)"));
        let missing = output(&mut Command::new("/nowhere/x"), 1, minute).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/x does not start"), "{missing}");
    }
}

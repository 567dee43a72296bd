//! An image onto a compute module.
//!
//! The controller powers the module off, starts it as a USB disk, writes, reads back and compares a checksum, and leaves it off. It has
//! one job at a time, and a new one ends the one before; the first byte must arrive ten seconds after the job was asked for, so the
//! image's digest is computed before.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::disk::Window;
use crate::interrupt::{Interrupt, Interrupted};
use crate::progress::{Progress, Task};
use crate::source::digest::Sha256Digest;

use super::Slot;
use super::answer::{Job, Started};
use super::client::{Client, ControllerError};

/// What the image is called for the controller, which unpacks what ends in `.xz`.
pub(super) const FILE: &str = "hcimage.img";

/// How often the controller is asked how far it is.
const PAUSE: Duration = Duration::from_secs(1);

/// How long it may write nothing: it starts the module by USB first, and reads all back at the end.
const LONGEST_SILENCE: Duration = Duration::from_secs(15 * 60);

/// The slowest upload that is waited for, in bytes a second, and a minute to begin.
const SLOWEST: u64 = 256 << 10;

const JOB: [(&str, &str); 2] = [("opt", "get"), ("type", "flash")];

/// Writes an image to the module in a slot, and powers it on.
///
/// # Errors
/// See [`ControllerError`].
pub fn flash(
    client: Client,
    slot: Slot,
    image: &Window,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), ControllerError> {
    let sha256 = digest(image, progress, interrupt)?;
    if let Job::Transferring { process_name, .. } = client.get("what it does", &JOB)? {
        return Err(ControllerError::Busy { host: client.host().clone(), job: process_name });
    }
    let (node, length, sha256) = (slot.index().to_string(), image.len().to_string(), sha256.to_string());
    let query = [
        ("opt", "set"),
        ("type", "flash"),
        ("node", node.as_str()),
        ("file", FILE),
        ("length", length.as_str()),
        ("sha256", sha256.as_str()),
    ];
    let Started { handle } = client.get("a flash", &query)?;
    let client = Arc::new(client);
    if let Err(error) = follow(&client, handle, slot, image, progress, interrupt) {
        // It is ours. Where it has ended by itself this changes nothing.
        let _ = client.cancel(handle);
        return Err(error);
    }
    progress.message(&format!("powering on the module in slot {slot}"));
    client.set(&[("opt", "set"), ("type", "power"), (slot.power_name().as_str(), "1")])
}

fn digest(
    image: &Window,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Sha256Digest, ControllerError> {
    let task = progress.start("computing the digest of the image", Some(image.len()));
    let digest = Sha256Digest::of_reader::<io::Error>(image.cursor(), |bytes| {
        task.advance(bytes);
        interrupt.check().map_err(io::Error::other)
    });
    interrupt.check()?;
    let digest = digest.map_err(ControllerError::Image)?;
    task.done();
    Ok(digest)
}

/// Uploads in a thread, and asks meanwhile how far the module is.
fn follow(
    client: &Arc<Client>,
    handle: u64,
    slot: Slot,
    image: &Window,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), ControllerError> {
    let len = image.len();
    let within = Duration::from_secs(60_u64.saturating_add(len / SLOWEST));
    let body = Upload { bytes: image.cursor().take(len), interrupt: interrupt.clone() };
    let (sender, uploaded) = mpsc::channel();
    let uploader = Arc::clone(client);
    // Nobody waits for it to end: a controller that takes no more bytes may hold it until its time is over.
    thread::spawn(move || sender.send(uploader.upload(handle, body, len, within)));
    let mut watch = Watch {
        client,
        handle,
        slot,
        task: progress.start("writing", Some(len)),
        written: 0,
        since: Instant::now(),
    };
    let mut is_uploaded = false;
    loop {
        interrupt.check()?;
        if is_uploaded {
            thread::sleep(PAUSE);
        } else {
            match uploaded.recv_timeout(PAUSE) {
                // Ctrl-C ends the upload as well.
                Ok(Err(_)) if interrupt.is_raised() => interrupt.check()?,
                // Why it went wrong the job knows better than the connection.
                Ok(Err(error)) => return Err(watch.failure(error)),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Ok(())) | Err(RecvTimeoutError::Disconnected) => is_uploaded = true,
            }
        }
        if watch.is_done(len)? {
            watch.task.done();
            return Ok(());
        }
    }
}

/// A job that is watched.
struct Watch<'a> {
    client: &'a Client,
    handle: u64,
    slot: Slot,
    task: Box<dyn Task>,
    written: u64,
    /// When something was written last.
    since: Instant,
}

impl Watch<'_> {
    fn is_done(&mut self, len: u64) -> Result<bool, ControllerError> {
        let job = match self.client.get("what it does", &JOB) {
            // It is busy with the module; a question may be lost.
            Err(ControllerError::Unreachable { .. }) if self.since.elapsed() < LONGEST_SILENCE => {
                return Ok(false);
            }
            job => job?,
        };
        match job {
            Job::Done(_, size) if size == len => Ok(true),
            Job::Transferring { id, bytes_written, .. } if id == self.handle => {
                // It counts on where it unpacks.
                let written = bytes_written.min(len);
                if written > self.written {
                    self.task.advance(written.saturating_sub(self.written));
                    (self.written, self.since) = (written, Instant::now());
                }
                if self.since.elapsed() > LONGEST_SILENCE {
                    return Err(ControllerError::Stalled { slot: self.slot, after: LONGEST_SILENCE });
                }
                Ok(false)
            }
            Job::Error(said) => Err(self.told(said)),
            Job::Ready | Job::Done(..) | Job::Transferring { .. } => {
                let said = "another job took its place".to_owned();
                Err(ControllerError::Job { slot: self.slot, said })
            }
        }
    }

    /// What the job says of an upload that failed.
    fn failure(&self, error: ControllerError) -> ControllerError {
        match self.client.get("what it does", &JOB) {
            Ok(Job::Error(said)) => self.told(said),
            _ => error,
        }
    }

    fn told(&self, said: String) -> ControllerError {
        let lower = said.to_ascii_lowercase();
        let is_module = ["not supported", "not found", "no compatible", "unsupported"]
            .iter()
            .any(|word| lower.contains(word));
        if is_module {
            return ControllerError::Module { slot: self.slot, said };
        }
        ControllerError::Job { slot: self.slot, said }
    }
}

/// The image as a body, which ends early where somebody presses Ctrl-C.
struct Upload<R> {
    bytes: R,
    interrupt: Interrupt,
}

impl<R: Read> Read for Upload<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(|stopped: Interrupted| io::Error::other(stopped))?;
        self.bytes.read(buffer)
    }
}

//! Long blocking calls on another thread, so that Ctrl-C is handled meanwhile.

use std::io::Read;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};

use reqwest::blocking::Response;

use super::TICK;
use crate::interrupt::Interrupt;
use crate::source::error::{Result, SourceError};

/// Runs `work`, which may block, on another thread. On an interrupt the thread is abandoned and its result is dropped.
pub(super) fn unless_interrupted<T: Send + 'static>(
    interrupt: &Interrupt,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    interruptible(move || drop(sender.send(work())))?;
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => interrupt.check()?,
            Err(RecvTimeoutError::Disconnected) => {
                let source = std::io::Error::other("the thread ended without a result");
                return Err(SourceError::Io { what: "waiting for the network".into(), source });
            }
        }
    }
}

/// The body in chunks, read ahead a little while earlier chunks are hashed and written.
pub(super) fn pump(mut response: Response) -> Result<Receiver<std::io::Result<Vec<u8>>>> {
    const PIECE: usize = 128 * 1024;
    let (sender, receiver) = mpsc::sync_channel(8);
    interruptible(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = response.read(&mut piece);
            let more = matches!(read, Ok(1..));
            let at_end = matches!(read, Ok(0));
            let read = read.map(|n| piece.truncate(n)).map(|()| piece);
            if at_end || sender.send(read).is_err() || !more {
                return;
            }
        }
    })?;
    Ok(receiver)
}

fn interruptible(work: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = std::thread::Builder::new().name("network".into()).spawn(work);
    spawned.map(drop).map_err(|source| SourceError::Io { what: "starting a thread".into(), source })
}

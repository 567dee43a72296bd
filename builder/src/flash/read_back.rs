//! Reads back what was written, and compares it with the image.
//!
//! Threads read the disk ahead of the one that compares, so that it is asked for the next pieces while one is compared, and never waits
//! for the image. What they read comes from the disk itself, after all was written and synced, as it would without them.

use std::io;
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Scope};

use hc_device::{Buffer, Medium};

use super::write::{CHUNK, FlashError, Job, Result, as_u64, disk, len_of};

/// The most requests that a disk has at a time: one that it works on, and one that waits. More make no card faster.
const READERS: usize = 2;

/// Buffers of each reader: one that is read into, and one that is compared.
const BUFFERS: usize = 2;

/// A thread that reads each so manieth piece, in their order.
struct Reader {
    pieces: Receiver<io::Result<Buffer>>,
    empty: Sender<Buffer>,
}

impl Reader {
    fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        disk: &'env (dyn Medium + Sync),
        chunks: impl Iterator<Item = Range<u64>> + Send + 'scope,
    ) -> io::Result<Self> {
        let (full, pieces) = mpsc::sync_channel(BUFFERS);
        let (empty, buffers) = mpsc::channel();
        for _ in 0..BUFFERS {
            let _ = empty.send(Buffer::new(len_of(CHUNK)));
        }
        thread::Builder::new().spawn_scoped(scope, move || {
            // Whoever compares has ended with an error, where one of the channels is closed.
            for (chunk, mut buffer) in chunks.zip(buffers) {
                let there = buffer.first(len_of(chunk.end.saturating_sub(chunk.start)));
                let read = disk.read(there, chunk.start);
                if full.send(read.map(|()| buffer)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { pieces, empty })
    }
}

/// Compares all that lies behind the head; gives back how many bytes these were.
pub(super) fn read_back(job: &Job<'_>) -> Result<u64> {
    let chunks: Vec<Range<u64>> = job.chunks().collect();
    let total = chunks.iter().map(|chunk| chunk.end.saturating_sub(chunk.start)).sum();
    let task = job.progress.start("reading back", Some(total));
    let mut wanted = Buffer::new(len_of(CHUNK));
    thread::scope(|scope| {
        let readers: Vec<Reader> = (0..READERS)
            .map(|first| Reader::start(scope, job.disk, chunks.iter().skip(first).step_by(READERS).cloned()))
            .collect::<io::Result<_>>()
            .map_err(disk("reading", 0))?;
        for (chunk, reader) in chunks.iter().zip(readers.iter().cycle()) {
            job.must_go_on()?;
            let len = chunk.end.saturating_sub(chunk.start);
            let wanted = wanted.first(len_of(len));
            job.read_image(wanted, chunk.start)?;
            let read = reader.pieces.recv().map_err(io::Error::other).flatten();
            let mut there = read.map_err(disk("reading", chunk.start))?;
            same(wanted, there.first(wanted.len()), chunk.start)?;
            let _ = reader.empty.send(there);
            task.advance(len);
        }
        Ok(())
    })?;
    task.done();
    Ok(total)
}

/// Whether the disk has at this place what it should.
pub(super) fn same(wanted: &[u8], there: &[u8], offset: u64) -> Result<()> {
    if wanted == there {
        return Ok(());
    }
    let place = wanted.iter().zip(there).position(|(one, other)| one != other).unwrap_or_default();
    Err(FlashError::Differs {
        at: offset.saturating_add(as_u64(place)),
        start: offset,
        len: as_u64(wanted.len()),
    })
}

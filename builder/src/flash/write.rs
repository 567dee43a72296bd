//! Writes an image to a disk, and reads back what it wrote.
//!
//! The first MiB, which has the partition table, is zeroed first and written last: whatever happens in between, nothing starts from a
//! disk that has half an image. Only what [`used`](crate::used_ranges::used) names is written and read back, from the disk itself.

use std::io;
use std::ops::Range;

use hc_device::{Buffer, Medium};
use thiserror::Error;

use super::read_back::{read_back, same};
use crate::disk::Window;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::used_ranges::PIECE;

/// How much is read and written at once, in bytes: more makes no card faster.
pub(super) const CHUNK: u64 = 4 << 20;

/// What is written last, in bytes: the tables of both kinds, and boot loaders before the first partition.
const HEAD: u64 = 1 << 20;

/// How much is cleared at the end of the disk, in bytes: a backup GPT, and the marks of RAID and others.
const TAIL: u64 = 1 << 20;

/// Why it ended early. The disk does not start then, unless it says so.
#[derive(Debug, Error)]
pub enum FlashError {
    /// The image cannot be read.
    #[error("reading the image at byte {at}")]
    Image {
        /// Where.
        at: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The disk failed.
    #[error(
        "{doing} the disk at byte {at}: nothing starts from it as it is; put it in again, and write the image again"
    )]
    Disk {
        /// Reading or writing.
        doing: &'static str,
        /// Where.
        at: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not have what was written.
    #[error(
        "the disk does not have what was written to it: it differs at byte {at}, in the {len} bytes from {start} on; nothing starts \
         from it as it is. It is broken, or has less room than it says: take another one"
    )]
    Differs {
        /// The first byte.
        at: u64,
        /// Where the piece begins that was compared.
        start: u64,
        /// Its length.
        len: u64,
    },
    /// It has less room than it says.
    #[error(
        "the disk says that it has {says} bytes, and does not keep what is written at byte {at}{}: it is a counterfeit, or broken. Its old \
         contents are lost; take another one",
        other.map(|other| format!(" (what was written for byte {other} is there)")).unwrap_or_default()
    )]
    Counterfeit {
        /// Its size, as it says.
        says: u64,
        /// Where something else was read.
        at: u64,
        /// What was there belongs here.
        other: Option<u64>,
    },
    /// Somebody pressed Ctrl-C.
    #[error("stopped: nothing starts from the disk as it is; write the image again")]
    Stopped,
}

pub(super) type Result<T> = std::result::Result<T, FlashError>;

/// What was done, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flashed {
    /// Written: the image's used ranges, or of them what differed.
    pub written: u64,
    /// Read back and compared.
    pub verified: u64,
    /// The image.
    pub image: u64,
}

/// How a disk is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All of it, after a look at whether the disk has the room that it says.
    Whole,
    /// Only what differs from what is there, such as after a write that was interrupted, or to change a node.
    Delta,
}

/// An image and a disk.
pub struct Job<'a> {
    /// The image.
    pub image: &'a Window,
    /// Its ranges that must be on the disk.
    pub used: &'a [Range<u64>],
    /// The disk, at least as large as the image.
    pub disk: &'a (dyn Medium + Sync),
    /// What is told.
    pub progress: &'a dyn Progress,
    /// Whether it is to end.
    pub interrupt: &'a Interrupt,
}

impl Job<'_> {
    /// Writes the image and reads it back.
    ///
    /// # Errors
    /// See [`FlashError`].
    pub fn run(&self, mode: Mode) -> Result<Flashed> {
        let head = self.head()?;
        let mut buffers = (Buffer::new(len_of(CHUNK)), Buffer::new(len_of(CHUNK)));
        let mut done = Flashed { image: self.image.len(), ..Flashed::default() };
        self.clear(0, head.len())?;
        self.sync()?;
        if mode == Mode::Whole {
            super::room::check(self.disk)?;
        }
        self.clear_end()?;
        self.write_each(&mut buffers, |chunk, wanted, there| {
            let differs = match mode {
                Mode::Whole => true,
                Mode::Delta => {
                    self.disk.read(there, chunk.start).map_err(disk("reading", chunk.start))?;
                    there != wanted
                }
            };
            if differs {
                self.disk.write(wanted, chunk.start).map_err(disk("writing", chunk.start))?;
                done.written = done.written.saturating_add(as_u64(wanted.len()));
            }
            Ok(())
        })?;
        self.sync()?;
        done.verified = read_back(self)?;
        // Nothing is left but what makes it start: boot loaders before the first partition, and then the tables.
        let len = head.len();
        let tables = len.min(len_of(PIECE));
        let (wanted, there) = (buffers.0.first(len), buffers.1.first(len));
        wanted.copy_from_slice(&head);
        let last = |range: Range<usize>, there: &mut [u8]| {
            let (bytes, at) = (wanted.get(range.clone()).unwrap_or_default(), as_u64(range.start));
            let there = there.get_mut(range).unwrap_or_default();
            self.disk.write(bytes, at).map_err(disk("writing", at))?;
            self.sync()?;
            self.compare(bytes, there, at)
        };
        let finished = last(tables..len, there).and_then(|()| last(0..tables, there));
        if let Err(error) = finished {
            // As good as it can be had: it must not start. A part of the first piece may have arrived before the error.
            let _ = self.clear(0, len);
            let _ = self.disk.sync();
            return Err(error);
        }
        done.written = done.written.saturating_add(as_u64(len));
        done.verified = done.verified.saturating_add(as_u64(len));
        Ok(done)
    }

    /// Does something with each piece of the image, and a buffer for what the disk has there; the progress is told.
    fn write_each(
        &self,
        buffers: &mut (Buffer, Buffer),
        mut work: impl FnMut(Range<u64>, &[u8], &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let size = |chunk: &Range<u64>| chunk.end.saturating_sub(chunk.start);
        let task = self.progress.start("writing", Some(self.chunks().map(|chunk| size(&chunk)).sum()));
        for chunk in self.chunks() {
            self.must_go_on()?;
            let bytes = size(&chunk);
            let (wanted, there) = (buffers.0.first(len_of(bytes)), buffers.1.first(len_of(bytes)));
            self.read_image(wanted, chunk.start)?;
            work(chunk, wanted, there)?;
            task.advance(bytes);
        }
        task.done();
        Ok(())
    }

    /// The used ranges behind the head, in pieces.
    pub(super) fn chunks(&self) -> impl Iterator<Item = Range<u64>> {
        let end = self.padded();
        let behind = self
            .used
            .iter()
            .map(move |range| range.start.max(HEAD)..range.end.next_multiple_of(PIECE).min(end));
        behind.filter(|range| range.start < range.end).flat_map(|range| {
            let starts = (range.start..range.end).step_by(len_of(CHUNK));
            starts.map(move |start| start..start.saturating_add(CHUNK).min(range.end))
        })
    }

    /// The image's size in whole sectors of the disk; the rest of the last one is zeros.
    fn padded(&self) -> u64 {
        self.image.len().next_multiple_of(self.disk.sector()).min(self.disk.size())
    }

    fn head(&self) -> Result<Vec<u8>> {
        let mut head = vec![0; len_of(HEAD.min(self.padded()))];
        self.read_image(&mut head, 0)?;
        Ok(head)
    }

    /// The image from an offset on; zeros behind its end.
    pub(super) fn read_image(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let there = len_of(self.image.len().saturating_sub(offset)).min(buffer.len());
        let (bytes, behind) = buffer.split_at_mut(there);
        behind.fill(0);
        self.image.read_exact_at(bytes, offset).map_err(|source| FlashError::Image { at: offset, source })
    }

    fn compare(&self, wanted: &[u8], there: &mut [u8], offset: u64) -> Result<()> {
        self.disk.read(there, offset).map_err(disk("reading", offset))?;
        same(wanted, there, offset)
    }

    /// Zeros over so many bytes.
    fn clear(&self, offset: u64, len: usize) -> Result<()> {
        let mut zeros = Buffer::new(len);
        self.disk.write(zeros.first(len), offset).map_err(disk("writing", offset))
    }

    /// What an earlier table or RAID has left behind the image.
    fn clear_end(&self) -> Result<()> {
        let sector = self.disk.sector();
        let end = self.disk.size() / sector * sector;
        let start = end.saturating_sub(TAIL).max(self.image.len().next_multiple_of(PIECE));
        if start >= end {
            return Ok(());
        }
        self.clear(start, len_of(end.saturating_sub(start)))
    }

    fn sync(&self) -> Result<()> {
        self.disk.sync().map_err(disk("writing", 0))
    }

    pub(super) fn must_go_on(&self) -> Result<()> {
        if self.interrupt.is_raised() { Err(FlashError::Stopped) } else { Ok(()) }
    }
}

pub(super) fn disk(doing: &'static str, at: u64) -> impl Fn(io::Error) -> FlashError {
    move |source| FlashError::Disk { doing, at, source }
}

pub(super) fn len_of(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

pub(super) fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

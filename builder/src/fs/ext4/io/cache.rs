//! A write-back cache: lines of a partition that are kept in memory, and written together and in order.

use std::collections::HashMap;
use std::io;

use super::changes::{Earlier, Recorder, as_u64};
use crate::disk::Window;

/// Bytes of a line: the largest block size that is edited, so that a block never lies in two lines.
pub(crate) const LINE: usize = 4096;
/// Most lines that are kept: 4 MiB.
const LINES: usize = 1024;
/// Most changed lines that are held back: 256 MiB, as large as a usual journal.
const HELD_LINES: usize = 1 << 16;
/// Most bytes that are written at once.
const PIECE: usize = 1 << 20;

/// A part of an access that lies in one line.
pub(crate) struct Part {
    /// The line's number.
    pub(crate) line: u64,
    /// Where in the line it begins.
    pub(crate) at: usize,
    /// Where in the caller's buffer it begins.
    pub(crate) from: usize,
    /// Bytes.
    pub(crate) len: usize,
}

/// Cuts an access into parts.
pub(crate) fn parts(offset: u64, len: usize) -> impl Iterator<Item = Part> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let place = offset.saturating_add(as_u64(from));
        let at = usize::try_from(place % as_u64(LINE)).unwrap_or(0);
        let count = len.saturating_sub(from).min(LINE.saturating_sub(at));
        let part = Part { line: place / as_u64(LINE), at, from, len: count };
        from = from.saturating_add(count);
        (count > 0).then_some(part)
    })
}

/// The lines, and the notes on those that were changed.
#[derive(Default)]
pub(crate) struct Cache {
    lines: HashMap<u64, Line>,
    recorder: Recorder,
    /// Whether nothing may be written yet.
    held: bool,
    /// What places held before they were changed, for a view of that time.
    earlier: Earlier,
}

struct Line {
    bytes: Vec<u8>,
    dirty: bool,
}

impl Cache {
    /// A cache that writes nothing until [`Cache::release`].
    pub(crate) fn holding_back() -> Self {
        Self { held: true, ..Self::default() }
    }

    /// A cache that shows earlier content in these places.
    pub(crate) fn of_earlier(earlier: Earlier) -> Self {
        Self { held: true, earlier, ..Self::default() }
    }

    /// From now on lines are written when there are too many.
    pub(crate) fn release(&mut self) {
        self.held = false;
    }

    /// Copies a part of a line to its place in `buffer`, and keeps the line.
    pub(crate) fn read(&mut self, window: &Window, part: &Part, buffer: &mut [u8]) -> io::Result<()> {
        let line = self.line(window, part.line)?;
        copy(buffer, part.from, &line.bytes, part.at, part.len)
    }

    /// As [`Cache::read`], but only if the line is kept.
    pub(crate) fn overlay(&mut self, part: &Part, buffer: &mut [u8]) -> io::Result<()> {
        let line = self.lines.get(&part.line).map(|line| line.bytes.as_slice());
        match line.or_else(|| self.earlier.get(&place(part.line)).map(AsRef::as_ref)) {
            Some(bytes) => copy(buffer, part.from, bytes, part.at, part.len),
            None => Ok(()),
        }
    }

    /// As [`Cache::write`], for the data of a file, of which nothing that was there is needed.
    pub(crate) fn write_data(&mut self, window: &Window, part: &Part, buffer: &[u8]) -> io::Result<()> {
        if part.len == LINE && !self.lines.contains_key(&part.line) {
            self.make_room(window)?;
            self.recorder.replaced(place(part.line), as_u64(LINE));
            self.lines.insert(part.line, Line { bytes: vec![0; LINE], dirty: true });
        }
        self.write(window, part, buffer)
    }

    /// Notes what a line holds, whatever takes its place.
    pub(crate) fn note(&mut self, window: &Window, part: &Part) -> io::Result<()> {
        let line = self.line(window, part.line)?;
        if !line.dirty {
            let bytes = line.bytes.clone();
            self.recorder.about_to_change(place(part.line), &bytes);
        }
        Ok(())
    }

    /// Changes a part of a line to what `buffer` has at its place.
    pub(crate) fn write(&mut self, window: &Window, part: &Part, buffer: &[u8]) -> io::Result<()> {
        let line = self.line(window, part.line)?;
        if !std::mem::replace(&mut line.dirty, true) {
            let bytes = std::mem::take(&mut line.bytes);
            self.recorder.about_to_change(place(part.line), &bytes);
            self.line(window, part.line)?.bytes = bytes;
        }
        copy(&mut self.line(window, part.line)?.bytes, part.at, buffer, part.from, part.len)
    }

    /// Updates kept lines with data that is written past the cache.
    pub(crate) fn passed(&mut self, part: &Part, buffer: &[u8]) -> io::Result<()> {
        match self.lines.get_mut(&part.line) {
            Some(_) if part.len == LINE => {
                self.lines.remove(&part.line);
                Ok(())
            }
            Some(line) => copy(&mut line.bytes, part.at, buffer, part.from, part.len),
            None => Ok(()),
        }
    }

    /// The notes on what was changed.
    pub(crate) fn recorder(&mut self) -> &mut Recorder {
        &mut self.recorder
    }

    /// Writes all changed lines, neighbours together.
    pub(crate) fn write_out(&mut self, window: &Window) -> io::Result<()> {
        if self.held {
            return Err(io::Error::other("nothing may be written yet"));
        }
        let mut dirty: Vec<u64> =
            self.lines.iter().filter(|(_, line)| line.dirty).map(|(number, _)| *number).collect();
        dirty.sort_unstable();
        let mut run: Vec<u8> = Vec::new();
        let mut start = 0;
        for number in dirty {
            let ends = start + as_u64(run.len());
            if !run.is_empty() && (place(number) != ends || run.len() >= PIECE) {
                window.write_all_at(&run, start)?;
                run.clear();
            }
            if run.is_empty() {
                start = place(number);
            }
            if let Some(line) = self.lines.get_mut(&number) {
                run.extend_from_slice(&line.bytes);
                line.dirty = false;
            }
        }
        if !run.is_empty() {
            window.write_all_at(&run, start)?;
        }
        Ok(())
    }

    fn line(&mut self, window: &Window, number: u64) -> io::Result<&mut Line> {
        if !self.lines.contains_key(&number) {
            self.make_room(window)?;
            let left = window.len().saturating_sub(place(number));
            let mut bytes = vec![0; LINE.min(usize::try_from(left).unwrap_or(LINE))];
            match self.earlier.get(&place(number)) {
                Some(earlier) => bytes = earlier.to_vec(),
                None => window.read_exact_at(&mut bytes, place(number))?,
            }
            self.lines.insert(number, Line { bytes, dirty: false });
        }
        self.lines.get_mut(&number).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Drops all lines when there are too many: what is still needed is soon read again, from the kernel's page cache.
    fn make_room(&mut self, window: &Window) -> io::Result<()> {
        if self.lines.len() < LINES {
            return Ok(());
        }
        if self.held {
            self.lines.retain(|_, line| line.dirty);
            let full = self.lines.len() >= HELD_LINES;
            return if full {
                Err(io::Error::other("the journal is too large to be replayed in memory"))
            } else {
                Ok(())
            };
        }
        self.write_out(window)?;
        self.lines.clear();
        Ok(())
    }
}

fn place(line: u64) -> u64 {
    line.saturating_mul(as_u64(LINE))
}

fn copy(to: &mut [u8], to_at: usize, from: &[u8], from_at: usize, len: usize) -> io::Result<()> {
    let from = from.get(from_at..from_at.saturating_add(len));
    let to = to.get_mut(to_at..to_at.saturating_add(len));
    match (to, from) {
        (Some(to), Some(from)) => {
            to.copy_from_slice(from);
            Ok(())
        }
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

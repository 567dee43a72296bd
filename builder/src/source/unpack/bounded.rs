//! A reader that fails where more is read than is allowed for what is being read.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes may be read until more are allowed.
#[derive(Debug)]
pub(crate) struct Gate {
    left: Cell<u64>,
    exceeded: Cell<bool>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { left: Cell::new(u64::MAX), exceeded: Cell::new(false) }
    }
}

impl Gate {
    /// So many in all.
    pub(crate) fn of(bytes: u64) -> Self {
        Self { left: Cell::new(bytes), ..Self::default() }
    }

    /// From now on so many.
    pub(crate) fn allow(&self, bytes: u64) {
        self.left.set(bytes);
    }

    /// Whether more were asked for, and refused.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded.get()
    }
}

/// Reads as its gate allows.
pub(crate) struct Bounded<'a, R> {
    inner: R,
    gate: &'a Gate,
}

impl<'a, R> Bounded<'a, R> {
    pub(crate) fn new(inner: R, gate: &'a Gate) -> Self {
        Self { inner, gate }
    }

    pub(super) fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        match self.gate.left.get().checked_sub(n as u64) {
            Some(left) => {
                self.gate.left.set(left);
                Ok(n)
            }
            None => {
                self.gate.exceeded.set(true);
                Err(io::Error::new(io::ErrorKind::InvalidData, "more than expected"))
            }
        }
    }
}

impl<R: Seek> Seek for Bounded<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// What comes out of a decoder: it fails where that is more than a file of the size that was read so far may unpack to.
pub(super) struct Inflated<'a, R> {
    inner: R,
    /// Packed bytes that were read so far.
    consumed: &'a AtomicU64,
    produced: u64,
    gate: &'a Gate,
}

impl<'a, R> Inflated<'a, R> {
    pub(super) fn new(inner: R, consumed: &'a AtomicU64, gate: &'a Gate) -> Self {
        Self { inner, consumed, produced: 0, gate }
    }
}

impl<R: Read> Read for Inflated<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.produced = self.produced.saturating_add(n as u64);
        if self.produced > super::most(self.consumed.load(Ordering::Relaxed)) {
            self.gate.exceeded.set(true);
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more than expected"));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_not_read() {
        let gate = Gate::default();
        let mut reader = Bounded::new(io::repeat(1), &gate);
        reader.read_exact(&mut [0; 100]).unwrap();
        gate.allow(10);
        reader.read_exact(&mut [0; 10]).unwrap();
        assert!(!gate.is_exceeded());
        assert!(reader.read_exact(&mut [0; 1]).is_err());
        assert!(gate.is_exceeded());
    }
}

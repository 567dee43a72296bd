//! What is written to.

use std::io;

/// A disk, or in tests what plays one. Offsets and lengths are multiples of [`Self::sector`] bytes.
pub trait Medium {
    /// Its size in bytes.
    fn size(&self) -> u64;

    /// The smallest piece that can be read or written, in bytes: a power of two.
    fn sector(&self) -> u64;

    /// Fills the buffer from the medium itself, and not from a cache of the system.
    ///
    /// # Errors
    /// When the medium does not give it.
    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of the buffer.
    ///
    /// # Errors
    /// When the medium does not take it.
    fn write(&self, buffer: &[u8], offset: u64) -> io::Result<()>;

    /// Waits until the medium has what was written.
    ///
    /// # Errors
    /// When it says that it does not have it.
    fn sync(&self) -> io::Result<()>;
}

//! A bounded view into an image: through a [`Window`] no byte outside of it can be reached.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use super::units::{ByteOffset, ByteSize};

/// A range of an open image. Clones share the file; each access names its own place, so no position is shared.
#[derive(Debug, Clone)]
pub struct Window {
    file: Arc<File>,
    start: u64,
    len: u64,
}

impl Window {
    /// A view of `len` bytes from `start` on. Refused where the range leaves the file.
    pub fn new(file: Arc<File>, start: ByteOffset, len: ByteSize) -> io::Result<Self> {
        let size = size(&file)?;
        let end = start.0.checked_add(len.0);
        if end.is_none_or(|end| end > size) {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "{} bytes from {start} on leave the image, which has {size} bytes: it is truncated",
                    len.0
                ),
            ));
        }
        Ok(Self { file, start: start.0, len: len.0 })
    }

    /// The whole of an open image.
    pub fn whole(file: Arc<File>) -> io::Result<Self> {
        let len = ByteSize(size(&file)?);
        Self::new(file, ByteOffset(0), len)
    }

    /// A view of `len` bytes from `start` of this view on. Refused where the range leaves it.
    pub fn slice(&self, start: ByteOffset, len: ByteSize) -> io::Result<Self> {
        let count = usize::try_from(len.0).map_err(|_| io::ErrorKind::InvalidInput)?;
        let place = self.place(start.0, count)?;
        Ok(Self { file: Arc::clone(&self.file), start: place, len: len.0 })
    }

    /// Size in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the view has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills `buffer` from `offset` on.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let place = self.place(offset, buffer.len())?;
        positioned::read_exact(&self.file, buffer, place)
    }

    /// Writes all of `bytes` at `offset`.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let place = self.place(offset, bytes.len())?;
        positioned::write_all(&self.file, bytes, place)
    }

    /// A reader and writer with a position of its own, for libraries that want one.
    pub fn cursor(&self) -> Cursor {
        Cursor { window: self.clone(), position: 0 }
    }

    fn place(&self, offset: u64, len: usize) -> io::Result<u64> {
        let outside = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{len} bytes at {offset} leave a partition of {} bytes", self.len),
            )
        };
        let end = u64::try_from(len).ok().and_then(|len| offset.checked_add(len)).ok_or_else(outside)?;
        if end > self.len {
            return Err(outside());
        }
        self.start.checked_add(offset).ok_or_else(outside)
    }
}

/// Of a file its length; of a block device, which has none, where its end is.
fn size(file: &File) -> io::Result<u64> {
    let found = file.metadata()?;
    if found.is_file() { Ok(found.len()) } else { (&mut &*file).seek(SeekFrom::End(0)) }
}

/// A position inside a [`Window`]. Reading stops at its end; writing beyond it is an error.
#[derive(Debug, Clone)]
pub struct Cursor {
    window: Window,
    position: u64,
}

impl Cursor {
    /// As much of `wanted` bytes as is left before the end of the window.
    fn clamp(&self, wanted: usize) -> usize {
        let left = self.window.len.saturating_sub(self.position);
        usize::try_from(left).map_or(wanted, |left| left.min(wanted))
    }

    fn advance(&mut self, count: usize) {
        self.position = self.position.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.clamp(buffer.len());
        if let Some(part) = buffer.get_mut(..count) {
            self.window.read_exact_at(part, self.position)?;
        }
        self.advance(count);
        Ok(count)
    }
}

impl Write for Cursor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.clamp(bytes.len());
        if let Some(part) = bytes.get(..count) {
            self.window.write_all_at(part, self.position)?;
        }
        self.advance(count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.window.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seeking before the beginning"))?;
        Ok(self.position)
    }
}

#[cfg(unix)]
mod positioned {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;

    pub(super) fn read_exact(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        file.read_exact_at(buffer, offset)
    }

    pub(super) fn write_all(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }
}

#[cfg(windows)]
mod positioned {
    use std::fs::File;
    use std::io;
    use std::os::windows::fs::FileExt;

    pub(super) fn read_exact(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let count = file.seek_read(buffer, offset)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = buffer.get_mut(count..).unwrap_or_default();
            offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    pub(super) fn write_all(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = file.seek_write(bytes, offset)?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = bytes.get(count..).unwrap_or_default();
            offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(bytes: &[u8], start: u64, len: u64) -> io::Result<Window> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Window::new(Arc::new(file), ByteOffset(start), ByteSize(len))
    }

    #[test]
    fn nothing_outside_can_be_reached() {
        let window = window(b"before|inside|after", 7, 6).unwrap();
        let mut buffer = [0; 6];
        window.read_exact_at(&mut buffer, 0).unwrap();
        assert_eq!(&buffer, b"inside");
        assert!(window.read_exact_at(&mut buffer, 1).is_err());
        assert!(window.write_all_at(b"x", 6).is_err());
        assert!(window.write_all_at(b"x", u64::MAX).is_err());
        assert!(window.write_all_at(b"", 7).is_err());
    }

    #[test]
    fn a_slice_stays_inside_its_window() {
        let window = window(b"before|inside|after", 7, 6).unwrap();
        let mut buffer = [0; 4];
        let slice = window.slice(ByteOffset(2), ByteSize(4)).unwrap();
        slice.read_exact_at(&mut buffer, 0).unwrap();
        assert_eq!(&buffer, b"side");
        assert!(slice.read_exact_at(&mut buffer, 1).is_err());
        assert!(window.slice(ByteOffset(2), ByteSize(5)).is_err());
        assert!(window.slice(ByteOffset(u64::MAX), ByteSize(2)).is_err());
    }

    #[test]
    fn a_range_that_leaves_the_file_is_refused() {
        assert!(window(b"0123", 0, 4).is_ok());
        assert!(window(b"0123", 1, 4).is_err());
        assert!(window(b"0123", u64::MAX, 1).is_err());
    }

    #[test]
    fn a_cursor_stops_at_the_end() {
        let mut cursor = window(b"before|inside|after", 7, 6).unwrap().cursor();
        let mut text = String::new();
        cursor.read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        assert_eq!(cursor.write(b"x").unwrap(), 0);
        assert_eq!(cursor.seek(SeekFrom::End(-2)).unwrap(), 4);
        assert!(cursor.write_all(b"DE").is_ok());
        assert!(cursor.seek(SeekFrom::Current(-7)).is_err());
    }
}

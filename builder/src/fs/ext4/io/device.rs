//! The block device below everything of ext4: one partition of the image and nothing else.
//!
//! Structures are small and are touched again and again, so they are kept in a [`Cache`] and written back together;
//! file data goes straight through. What is written is noted for the list of changes.

use std::sync::{Mutex, MutexGuard};

use fs_ext4::block_io::BlockDevice;
use fs_ext4::error::{Error, Result};

use super::cache::{Cache, LINE, parts};
use super::changes::{Earlier, Recorder, as_u64};
use crate::disk::Window;

/// File data of at least so many bytes goes straight through.
const SMALL: usize = 1 << 16;

/// A partition of the image.
pub(crate) struct Device {
    window: Window,
    writable: bool,
    cache: Mutex<Cache>,
}

impl Device {
    /// A device that can only be read: no call changes a byte of the image.
    pub(crate) fn read_only(window: Window) -> Self {
        Self { window, writable: false, cache: Mutex::default() }
    }

    /// A device that can be written. What it holds back reaches the image with [`Device::write_out`].
    pub(crate) fn writable(window: Window) -> Self {
        Self { window, writable: true, cache: Mutex::default() }
    }

    /// A device that can be written, but whose image does not change until [`Device::release`].
    pub(crate) fn holding_back(window: Window) -> Self {
        Self { window, writable: true, cache: Mutex::new(Cache::holding_back()) }
    }

    /// A device that can only be read, and that shows earlier content in these places.
    pub(crate) fn of_earlier(window: Window, earlier: Earlier) -> Self {
        Self { window, writable: false, cache: Mutex::new(Cache::of_earlier(earlier)) }
    }

    /// Notes what a range holds before its blocks are freed: what they get then may be written past this device's notes.
    pub(crate) fn note(&self, offset: u64, len: usize) -> Result<()> {
        let mut cache = self.lock()?;
        for part in parts(offset, len) {
            cache.note(&self.window, &part)?;
        }
        Ok(())
    }

    /// From now on, what is held back may be written to the image.
    pub(crate) fn release(&self) -> Result<()> {
        self.lock()?.release();
        Ok(())
    }

    /// Hands all that is held back to the operating system.
    pub(crate) fn write_out(&self) -> Result<()> {
        Ok(self.lock()?.write_out(&self.window)?)
    }

    /// As `write_at`, for file data. Only that of small files is kept in the cache: they are many, and mostly lie
    /// side by side.
    pub(crate) fn write_through(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.check_write(offset, bytes.len())?;
        let mut cache = self.lock()?;
        if bytes.len() < SMALL {
            for part in parts(offset, bytes.len()) {
                cache.write_data(&self.window, &part, bytes)?;
            }
            return Ok(());
        }
        for part in parts(offset, bytes.len()) {
            cache.passed(&part, bytes)?;
        }
        cache.recorder().replaced(offset, as_u64(bytes.len()));
        Ok(self.window.write_all_at(bytes, offset)?)
    }

    /// The notes on what was changed; later ones begin anew.
    pub(crate) fn take_recorder(&self) -> Result<Recorder> {
        Ok(std::mem::take(self.lock()?.recorder()))
    }

    fn check_write(&self, offset: u64, len: usize) -> Result<()> {
        if !self.writable {
            return Err(Error::ReadOnly);
        }
        // Checked here and not in `write_out`, so that the error names the write that caused it.
        let end = offset.checked_add(as_u64(len));
        if end.is_none_or(|end| end > self.window.len()) {
            return Err(Error::OutOfBounds);
        }
        Ok(())
    }

    fn lock(&self) -> Result<MutexGuard<'_, Cache>> {
        self.cache.lock().map_err(|_| Error::Io(std::io::Error::other("a thread failed while writing")))
    }
}

impl BlockDevice for Device {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        // A place came from a structure: what is outside is damage, and no error of the machine that reads it.
        let end = offset.checked_add(as_u64(buffer.len()));
        if end.is_none_or(|end| end > self.window.len()) {
            return Err(Error::Corrupt("a place outside of the partition"));
        }
        let mut cache = self.lock()?;
        if buffer.len() <= LINE {
            for part in parts(offset, buffer.len()) {
                cache.read(&self.window, &part, buffer)?;
            }
            return Ok(());
        }
        self.window.read_exact_at(buffer, offset)?;
        for part in parts(offset, buffer.len()) {
            cache.overlay(&part, buffer)?;
        }
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.window.len()
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.check_write(offset, bytes.len())?;
        let mut cache = self.lock()?;
        for part in parts(offset, bytes.len()) {
            cache.write(&self.window, &part, bytes)?;
        }
        Ok(())
    }

    /// Does nothing. The image is a temporary file that is synced once, when it is complete; a sync after each
    /// operation would cost minutes.
    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn is_writable(&self) -> bool {
        self.writable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ByteOffset, ByteSize};
    use std::sync::Arc;

    const LEN: usize = 3 << 20;

    fn window() -> Window {
        let file = Arc::new(tempfile::tempfile().unwrap());
        file.set_len(as_u64(LEN) + 1024).unwrap();
        Window::new(file, ByteOffset(512), ByteSize(as_u64(LEN))).unwrap()
    }

    fn contents(window: &Window) -> Vec<u8> {
        let mut bytes = vec![0; LEN];
        window.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn what_was_written_is_read_back_whatever_is_held_back() {
        let window = window();
        let device = Device::writable(window.clone());
        let mut model = vec![0; LEN];
        // Neighbours, a jump back, an overwrite of what is held back, and more than fits.
        let writes = [
            (0, 4096),
            (4096, 4096),
            (100, 10),
            (1 << 20, (1 << 20) + 1),
            (9000, 100),
            (9100, 100),
            (9050, 8),
        ];
        for (step, (offset, len)) in (1_u8..).zip(writes) {
            let bytes = vec![step; len];
            device.write_at(as_u64(offset), &bytes).unwrap();
            model[offset..offset + len].copy_from_slice(&bytes);
            let mut got = vec![0; 200];
            device.read_at(9000, &mut got).unwrap();
            assert_eq!(got, model[9000..9200], "step {step}");
        }
        device.write_out().unwrap();
        assert!(contents(&window) == model);
    }

    #[test]
    fn flushing_does_nothing_and_writing_out_does() {
        let window = window();
        let device = Device::writable(window.clone());
        device.write_at(0, b"held back").unwrap();
        device.flush().unwrap();
        assert_eq!(contents(&window)[..9], [0; 9]);
        device.write_out().unwrap();
        assert_eq!(&contents(&window)[..9], b"held back");
    }

    #[test]
    fn nothing_outside_is_written_and_a_read_only_device_writes_nothing() {
        let window = window();
        let device = Device::writable(window.clone());
        assert!(matches!(device.write_at(as_u64(LEN) - 1, b"xx"), Err(Error::OutOfBounds)));
        assert!(matches!(device.write_at(u64::MAX, b"xx"), Err(Error::OutOfBounds)));
        assert!(device.read_at(as_u64(LEN), &mut [0]).is_err());
        let device = Device::read_only(window);
        assert!(matches!(device.write_at(0, b"x"), Err(Error::ReadOnly)));
        assert!(!device.is_writable());
    }
}

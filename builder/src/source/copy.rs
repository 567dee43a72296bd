//! Copying a base image to the file that becomes the node's image: shared blocks if the file system supports them,
//! otherwise only the data, with the holes kept.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use super::error::{IoContext, Result, SourceError};
use super::space;
use super::sparse::SparseWriter;
use crate::interrupt::Interrupt;
use crate::local_file;
use crate::progress::{Progress, Task};

/// Copies `source` into `target`, a new and empty file at `target_path`, which has `source`'s size afterwards.
///
/// Not synced: the caller continues to write. `what` is the name for the progress.
pub fn copy_image(
    progress: &dyn Progress,
    interrupt: &Interrupt,
    what: &str,
    source: &Path,
    target: &File,
    target_path: &Path,
) -> Result<()> {
    let from = local_file::open(source).context("opening", source)?;
    copy_open_image(progress, interrupt, what, (&from, source), target, target_path)
}

/// As [`copy_image`], from a file that is open already and called `source.1`: what this process holds with a lock can be read on
/// Windows only so.
pub(crate) fn copy_open_image(
    progress: &dyn Progress,
    interrupt: &Interrupt,
    what: &str,
    (from, source): (&File, &Path),
    target: &File,
    target_path: &Path,
) -> Result<()> {
    let size = from.metadata().context("looking at", source)?.len();
    let task = progress.start(what, Some(size));
    let copy = Copy { interrupt, from, target, size, source, target_path, task: task.as_ref() };
    copy.run()?;
    task.done();
    Ok(())
}

struct Copy<'a> {
    interrupt: &'a Interrupt,
    from: &'a File,
    target: &'a File,
    size: u64,
    source: &'a Path,
    target_path: &'a Path,
    task: &'a dyn Task,
}

impl Copy<'_> {
    fn run(&self) -> Result<()> {
        #[cfg(target_os = "linux")]
        {
            if rustix::fs::ioctl_ficlone(self.target, self.from).is_ok() {
                self.task.advance(self.size);
                return Ok(());
            }
            if self.has_holes()? && self.copy_extents()? {
                return Ok(());
            }
        }
        self.copy_without_zeros()
    }

    /// A source without holes is usually an unpacked image with its zeros written out: skipping zeros while copying is
    /// faster than copying them.
    #[cfg(target_os = "linux")]
    fn has_holes(&self) -> Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let allocated = self.from.metadata().context("looking at", self.source)?.blocks().saturating_mul(512);
        Ok(allocated < self.size)
    }

    /// Copies only the file system's data extents, inside the kernel. `false`, with nothing done, if it is not supported.
    #[cfg(target_os = "linux")]
    fn copy_extents(&self) -> Result<bool> {
        use rustix::fs::{SeekFrom, seek};
        let mut position = 0;
        self.target.set_len(self.size).map_err(|e| self.write_failed(e))?;
        while position < self.size {
            let start = match seek(self.from, SeekFrom::Data(position)) {
                Ok(start) => start,
                // Only a hole up to the end.
                Err(rustix::io::Errno::NXIO) => self.size,
                Err(_) if position == 0 => return Ok(false),
                Err(e) => return Err(e.into()).context("reading", self.source),
            };
            let start = start.min(self.size);
            self.task.advance(start - position);
            if start == self.size {
                break;
            }
            let end = seek(self.from, SeekFrom::Hole(start)).map_err(std::io::Error::from);
            let end = end.context("reading", self.source)?;
            let end = end.min(self.size);
            if !self.copy_extent(start, end)? {
                return Ok(false);
            }
            position = end;
        }
        Ok(true)
    }

    /// `false`, with nothing copied, if the two file systems do not support it together.
    #[cfg(target_os = "linux")]
    fn copy_extent(&self, start: u64, end: u64) -> Result<bool> {
        use rustix::io::Errno;
        /// Small enough to react to an interrupt soon.
        const STEP: u64 = 16 << 20;
        let (mut read, mut written) = (start, start);
        while read < end {
            self.interrupt.check()?;
            let step = usize::try_from((end - read).min(STEP)).unwrap_or(usize::MAX);
            match rustix::fs::copy_file_range(
                self.from,
                Some(&mut read),
                self.target,
                Some(&mut written),
                step,
            ) {
                Ok(0) => return Err(self.shrank()),
                Ok(n) => self.task.advance(n as u64),
                Err(Errno::INTR) => {}
                Err(Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) if read == start => {
                    return Ok(false);
                }
                Err(e) => return Err(self.write_failed(e.into())),
            }
        }
        Ok(true)
    }

    /// The portable way: reads everything and skips zeros.
    fn copy_without_zeros(&self) -> Result<()> {
        let mut from = self.from;
        // A file that grows is not read without end.
        let left = self.size.saturating_add(1);
        let mut target = self.target;
        from.rewind().context("reading", self.source)?;
        target.rewind().map_err(|e| self.write_failed(e))?;
        let mut from = from.take(left);
        let mut writer = SparseWriter::new(self.target);
        // Small enough to stay in the processor's cache between the check and the write.
        let mut piece = vec![0; 256 * 1024];
        loop {
            self.interrupt.check()?;
            let n = from.read(&mut piece).context("reading", self.source)?;
            let Some(bytes) = piece.get(..n).filter(|bytes| !bytes.is_empty()) else { break };
            writer.append(bytes).map_err(|e| self.write_failed(e))?;
            self.task.advance(n as u64);
        }
        let copied = writer.finish().map_err(|e| self.write_failed(e))?;
        if copied == self.size { Ok(()) } else { Err(self.shrank()) }
    }

    fn shrank(&self) -> SourceError {
        let source = std::io::Error::other("the file's size changed during the copy");
        SourceError::Io { what: format!("copying {}", self.source.display()), source }
    }

    fn write_failed(&self, error: std::io::Error) -> SourceError {
        let dir = self.target_path.parent().unwrap_or(Path::new("."));
        space::write_failed(error, dir, &format!("writing {}", self.target_path.display()), self.size)
    }
}

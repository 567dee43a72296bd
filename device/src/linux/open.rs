//! Exclusive, direct access to a disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::process::{Command, Stdio};

use rustix::fs::OFlags;

use super::udisks;
use crate::disk::Disk;
use crate::medium::Medium;

/// A disk that nobody else can open exclusively or mount as long as this value is there.
#[derive(Debug)]
pub struct OpenDisk {
    file: File,
    size: u64,
    sector: u64,
}

impl OpenDisk {
    /// Opens a disk for direct access. Never without `O_EXCL`: the kernel refuses it for a disk that is mounted or held. Who may not is
    /// asked for the password by UDisks2, where a desktop has it.
    ///
    /// # Errors
    /// As open(2); `EBUSY` is one that is in use. What UDisks2 says is the source of `EACCES`.
    pub fn open(disk: &Disk) -> io::Result<Self> {
        let flags = OFlags::EXCL | OFlags::DIRECT | OFlags::CLOEXEC;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&disk.path);
        let mut file = match opened {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => udisks::open(&disk.path, flags)?,
            opened => opened?,
        };
        // What was found out of it was another disk's, if somebody changed cards meanwhile.
        if !file.metadata()?.file_type().is_block_device() {
            return Err(io::Error::other("it is no disk any more"));
        }
        let size = file.seek(SeekFrom::End(0))?;
        if size != disk.size {
            return Err(io::Error::other(format!(
                "it had {} bytes a moment ago, and has {size} now",
                disk.size
            )));
        }
        Ok(Self { file, size, sector: disk.sector })
    }
}

impl Medium for OpenDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn sector(&self) -> u64 {
        self.sector
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write(&self, buffer: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(buffer, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// Ejects a disk that nobody holds, so that no desktop mounts it before it is taken out. False where nothing here can: it is whole
/// all the same.
pub fn eject(disk: &Disk) -> bool {
    let by_program = || {
        let mut command = Command::new("eject");
        command.arg(&disk.path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    udisks::eject(&disk.path).is_ok() || by_program()
}

//! File data, from a reader straight into the image.

use std::io::Read;

use fs_ext4::error::{Error, Result};

use super::blocks::Volume;
use crate::fs::ext4::io::changes::as_u64;
use crate::fs::ext4::layout::extent_node::Run;
use crate::fs::ext4::layout::inode::{EXTENTS, HUGE_FILE, Inode};

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// Why a file could not be filled.
pub(crate) enum FillError {
    /// The reader failed.
    Source(std::io::Error),
    /// The image had no place for so many bytes, or failed.
    Image(Error, u64),
}

impl Volume {
    /// Appends all that a reader gives to a file, writes the inode, and returns the number of bytes.
    pub(crate) fn fill(
        &self,
        inode: &mut Inode,
        content: &mut dyn Read,
    ) -> std::result::Result<u64, FillError> {
        let mut piece = self.piece.take();
        piece.resize(PIECE, 0);
        let filled = self.fill_from(inode, content, &mut piece);
        self.piece.replace(piece);
        filled
    }

    fn fill_from(
        &self,
        inode: &mut Inode,
        content: &mut dyn Read,
        piece: &mut [u8],
    ) -> std::result::Result<u64, FillError> {
        let mut total: u64 = 0;
        loop {
            // A first piece that completes a block is shorter by what the block has, so that the rest is whole blocks.
            let room = PIECE.saturating_sub(self.within_block(inode));
            let free = piece.get_mut(..room).unwrap_or_default();
            let len = read_piece(content, free).map_err(FillError::Source)?;
            let bytes = as_u64(len);
            if len > 0 {
                let appended = self.append_bytes(inode, piece, len);
                inode.set_modified(self.now()).map_err(|error| FillError::Image(error, bytes))?;
                // What was written before an error belongs to the file.
                self.put_inode(inode).and(appended).map_err(|error| FillError::Image(error, bytes))?;
            }
            total = total.saturating_add(bytes);
            if len < room {
                return Ok(total);
            }
        }
    }

    /// Whether [`Volume::fill`] can append to a file. It cannot where the file has block maps, which ext3 made, or
    /// blocks behind its end or never written at it, which `fallocate(2)` makes.
    pub(crate) fn can_fill(&self, inode: &Inode) -> Result<bool> {
        if !inode.has(EXTENTS) || inode.has(HUGE_FILE) {
            return Ok(false);
        }
        let (next, blocks) = (self.next_logical(inode)?, self.blocks_of(inode.size()));
        Ok(next < blocks || (next == blocks && (blocks == 0 || self.map(inode, blocks - 1)?.is_some())))
    }

    fn blocks_of(&self, size: u64) -> u32 {
        u32::try_from(size.div_ceil(self.sb.block_size().into())).unwrap_or(u32::MAX)
    }

    /// Appends the first `len` bytes of a buffer of whole blocks. The rest of the last block is zeroed, so that only
    /// zeros lie behind the end of a file.
    fn append_bytes(&self, inode: &mut Inode, buffer: &mut [u8], len: usize) -> Result<()> {
        let end = inode.size().saturating_add(as_u64(len));
        if end.div_ceil(self.sb.block_size().into()) > u64::from(u32::MAX) {
            return Err(Error::InvalidArgument("a file of more than 2^32 blocks"));
        }
        let done = self.fill_last_block(inode, buffer.get(..len).unwrap_or_default())?;
        let whole = len.saturating_sub(done).next_multiple_of(self.block_size());
        let (end_of_content, end_of_blocks) = (len, done.saturating_add(whole));
        buffer.get_mut(end_of_content..end_of_blocks).unwrap_or_default().fill(0);
        let mut left = buffer.get(done..end_of_blocks).unwrap_or_default();
        while !left.is_empty() {
            let logical = self.blocks_of(inode.size());
            let run = self.append_run(inode, logical, count(left.len() / self.block_size().max(1)))?;
            let len = usize::try_from(run.len).unwrap_or(usize::MAX).saturating_mul(self.block_size());
            let (now, later) = left.split_at_checked(len).ok_or(Error::OutOfBounds)?;
            self.device.write_through(self.place(run.start)?, now)?;
            inode.set_size(end.min(inode.size().saturating_add(as_u64(len))));
            left = later;
        }
        Ok(())
    }

    /// Bytes of a file in its last block, if that is not full.
    fn within_block(&self, inode: &Inode) -> usize {
        usize::try_from(inode.size() % u64::from(self.sb.block_size())).unwrap_or(0)
    }

    /// Writes what still fits into the last block of a file, and returns how many bytes that were.
    fn fill_last_block(&self, inode: &mut Inode, bytes: &[u8]) -> Result<usize> {
        let within = self.within_block(inode);
        if within == 0 {
            return Ok(0);
        }
        let logical = self.blocks_of(inode.size()).saturating_sub(1);
        let (last, mut block) = match self.map(inode, logical)? {
            Some(last) => (last, self.read_block(last)?),
            None => (self.append_run(inode, logical, 1)?.start, vec![0; self.block_size()]),
        };
        let (_, free) = block.split_at_mut_checked(within).ok_or(Error::OutOfBounds)?;
        free.fill(0);
        let len = free.len().min(bytes.len());
        for (to, from) in free.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.device.write_through(self.place(last)?, &block)?;
        inode.set_size(inode.size().saturating_add(as_u64(len)));
        Ok(len)
    }

    /// Gives a file up to `want` blocks more.
    fn append_run(&self, inode: &mut Inode, logical: u32, want: u32) -> Result<Run> {
        let run = self.take_blocks(self.goal(inode)?, want)?;
        match self.append(inode, logical, run) {
            Ok(()) => Ok(run),
            Err(error) => self.free_blocks(run).and(Err(error)),
        }
    }

    /// The best place for the next block of a file: behind its last one, or else near its inode.
    fn goal(&self, inode: &Inode) -> Result<u64> {
        let home = self.group_start(self.group_of_inode(inode.number));
        Ok(self.end_of(inode)?.unwrap_or(home))
    }
}

/// Reads until the buffer is full or there is no more.
fn read_piece(content: &mut dyn Read, piece: &mut [u8]) -> std::io::Result<usize> {
    let mut len = 0;
    while let Some(free) = piece.get_mut(len..).filter(|free| !free.is_empty()) {
        match content.read(free) {
            Ok(0) => break,
            Ok(count) => len = len.saturating_add(count),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn count(blocks: usize) -> u32 {
    u32::try_from(blocks).unwrap_or(u32::MAX)
}

//! Writing a sparse file: zeros become holes.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// File systems allocate blocks of this size: smaller holes save nothing.
const BLOCK: usize = 4096;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// The parts of `bytes` that are not zero blocks, each with its offset. Blocks are counted from the start of `bytes`.
pub(crate) fn data_runs(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut place = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(place..)?;
        let start = place + leading(rest, true);
        let rest = bytes.get(start..)?;
        place = start + leading(rest, false);
        bytes.get(start..place).filter(|data| !data.is_empty()).map(|data| (start, data))
    })
}

/// The length of the leading zero blocks, or of the leading data blocks.
fn leading(bytes: &[u8], zero: bool) -> usize {
    bytes.chunks(BLOCK).take_while(|block| is_zero(block) == zero).map(<[u8]>::len).sum()
}

fn is_zero(block: &[u8]) -> bool {
    ZEROS.get(..block.len()) == Some(block)
}

/// Writes a new, empty file from start to end, with holes.
#[derive(Debug)]
pub(crate) struct SparseWriter<'a> {
    file: &'a File,
    position: u64,
}

impl<'a> SparseWriter<'a> {
    pub(crate) fn new(file: &'a File) -> Self {
        Self { file, position: 0 }
    }

    /// Bytes appended so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Appends `bytes`. Chunks of a multiple of 4096 bytes give the most holes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        for (place, data) in data_runs(bytes) {
            self.file.seek(SeekFrom::Start(self.position + place as u64))?;
            self.file.write_all(data)?;
        }
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file its size, for a hole at its end.
    pub(crate) fn finish(self) -> io::Result<u64> {
        self.file.set_len(self.position)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(blocks: &str) -> Vec<u8> {
        blocks.bytes().flat_map(|b| [b - b'0'; BLOCK]).collect()
    }

    #[test]
    fn data_runs_are_the_blocks_with_data() {
        let bytes = sample("0110010");
        let runs: Vec<_> =
            data_runs(&bytes).map(|(place, data)| (place / BLOCK, data.len() / BLOCK)).collect();
        assert_eq!(runs, [(1, 2), (5, 1)]);
        assert_eq!(data_runs(&[]).count(), 0);
        assert_eq!(data_runs(&sample("000")).count(), 0);
        assert_eq!(data_runs(&[0, 1]).collect::<Vec<_>>(), [(0, &[0, 1][..])]);
    }

    #[test]
    fn appended_bytes_read_back() {
        let file = tempfile::tempfile().unwrap();
        let mut writer = SparseWriter::new(&file);
        let mut whole = Vec::new();
        for piece in [sample("0100"), sample("000"), sample("21"), vec![0; 100]] {
            writer.append(&piece).unwrap();
            whole.extend(piece);
        }
        assert_eq!(writer.finish().unwrap(), whole.len() as u64);
        let mut back = Vec::new();
        (&file).rewind().unwrap();
        io::Read::read_to_end(&mut &file, &mut back).unwrap();
        assert!(back == whole);
    }

    #[cfg(unix)]
    #[test]
    fn zeros_take_no_disk_space() {
        let file = tempfile::tempfile().unwrap();
        let mut writer = SparseWriter::new(&file);
        for _ in 0..64 {
            writer.append(&vec![0; 1 << 20]).unwrap();
        }
        writer.finish().unwrap();
        let blocks = std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap());
        assert!(blocks * 512 < 1 << 20, "{blocks} sectors are allocated");
    }
}

//! A partition inside a scratch file, with bytes on both sides that nobody may touch.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use hcimage::disk::{ByteOffset, ByteSize, Window};

use crate::sparse::Sparse;

/// Bytes on either side.
const MARGIN: usize = 16 << 10;
const START: u64 = MARGIN as u64;
const SENTINEL: u8 = 0xa5;

pub(crate) struct Disk {
    file: Arc<File>,
    len: u64,
}

impl Disk {
    /// A partition of `len` bytes that holds `content`.
    pub(crate) fn new(content: &Sparse, len: u64) -> Self {
        let file = Arc::new(tempfile::tempfile().expect("making a scratch file"));
        file.write_all_at(&[SENTINEL; MARGIN], 0).expect("writing the scratch disk");
        file.write_all_at(&[SENTINEL; MARGIN], START + len).expect("writing the scratch disk");
        content.put(&file, START, len);
        Self { file, len }
    }

    pub(crate) fn window(&self) -> Window {
        Window::new(Arc::clone(&self.file), ByteOffset(START), ByteSize(self.len)).expect("a window")
    }

    /// What the partition holds now. Panics where a byte beside it has changed.
    pub(crate) fn content(&self) -> Sparse {
        let mut margin = [0; MARGIN];
        for (at, side) in [(0, "before"), (START + self.len, "behind")] {
            self.file.read_exact_at(&mut margin, at).expect("reading the scratch disk");
            assert!(margin == [SENTINEL; MARGIN], "bytes {side} the partition changed");
        }
        let size = self.file.metadata().expect("asking for the size").len();
        assert_eq!(size, START * 2 + self.len, "the length of the file changed");
        Sparse::of_file(&self.file, START, self.len)
    }
}

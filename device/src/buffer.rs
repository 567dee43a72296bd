//! Memory that direct input and output takes.

/// Direct access on Linux wants addresses that are multiples of the sector; a page suits every disk.
const ALIGNMENT: usize = 4096;

/// Bytes that begin at a multiple of 4096.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// So many zeros.
    pub fn new(len: usize) -> Self {
        let bytes = vec![0; len.saturating_add(ALIGNMENT)];
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        Self { bytes, start, len }
    }

    /// The first `len` bytes, or all there are.
    pub fn first(&mut self, len: usize) -> &mut [u8] {
        let end = self.start.saturating_add(len.min(self.len));
        self.bytes.get_mut(self.start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_page() {
        for len in [0, 1, 512, 4096, 1 << 22] {
            let mut buffer = Buffer::new(len);
            assert_eq!(buffer.first(usize::MAX).len(), len);
            assert_eq!(buffer.first(7).as_ptr().align_offset(ALIGNMENT), 0);
            assert_eq!(buffer.first(7).len(), len.min(7));
        }
    }
}

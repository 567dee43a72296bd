//! The content of a file: a reader, and its length if that is known.

use std::io::{self, Read};

/// Bytes that are read once, from the beginning to the end.
///
/// Where a length was announced, a reader that gives less is an error of kind `UnexpectedEof`, and one that gives more of
/// kind `InvalidData`, so that no file of another length is written.
pub struct Source<'a> {
    reader: &'a mut dyn Read,
    len: Option<u64>,
    done: u64,
}

impl<'a> Source<'a> {
    /// All that `reader` gives, however much that is.
    pub fn streamed(reader: &'a mut dyn Read) -> Self {
        Self { reader, len: None, done: 0 }
    }

    /// Exactly `len` bytes.
    pub fn sized(reader: &'a mut dyn Read, len: u64) -> Self {
        Self { reader, len: Some(len), done: 0 }
    }

    /// How many bytes were announced.
    pub fn len(&self) -> Option<u64> {
        self.len
    }

    /// Whether no byte at all was announced.
    pub fn is_empty(&self) -> bool {
        self.len == Some(0)
    }

    fn check(&self, count: usize, wanted: usize) -> io::Result<usize> {
        let Some(len) = self.len else { return Ok(count) };
        if self.done > len {
            let text = format!("it has more than the expected {len} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if count == 0 && wanted > 0 && self.done < len {
            let text = format!("it ends after {} of {len} bytes", self.done);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        Ok(count)
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.done = self.done.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.check(count, buffer.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut bytes: &[u8], len: Option<u64>) -> io::Result<Vec<u8>> {
        let mut source = Source { len, ..Source::streamed(&mut bytes) };
        let mut out = Vec::new();
        source.read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn the_announced_length_is_the_length() {
        assert_eq!(all(b"abc", None).unwrap(), b"abc");
        assert_eq!(all(b"abc", Some(3)).unwrap(), b"abc");
        assert_eq!(all(b"", Some(0)).unwrap(), b"");
        assert_eq!(all(b"abc", Some(4)).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(all(b"abc", Some(2)).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(all(b"abc", Some(0)).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}

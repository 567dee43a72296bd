//! Payloads of data objects, unpacked where they are compressed, and bounded.

use std::borrow::Cow;
use std::io::Read;

use super::objects::Data;

/// `flags` of an object: how its payload is compressed.
const ZSTD: u8 = 4;
const COMPRESSED: u8 = 7;

/// Most bytes that one payload becomes; the rest is cut off.
const PAYLOAD: u64 = 64 << 10;
/// Most bytes of all payloads of a call, as they are read.
const ALL: u64 = 64 << 20;
/// Most memory of a decompressor: 2^23 bytes. journald packs each message alone, so that its window is its size.
const WINDOW_LOG: u32 = 23;

/// What may still be unpacked.
pub(super) struct Unpacker {
    left: u64,
}

impl Default for Unpacker {
    fn default() -> Self {
        Self { left: ALL }
    }
}

impl Unpacker {
    /// The payload as it was logged; none where it is torn, compressed with LZ4 or XZ (which no supported base does), or the
    /// bound is reached.
    pub(super) fn unpack<'a>(&mut self, data: Data<'a>) -> Option<Cow<'a, [u8]>> {
        let unpacked = match data.flags & COMPRESSED {
            0 => {
                let bytes = data.payload.get(..as_usize(PAYLOAD)).unwrap_or(data.payload);
                self.left = self.left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                return Some(Cow::Borrowed(bytes)).filter(|_| self.left > 0);
            }
            ZSTD => {
                let mut decoder = zstd::Decoder::with_buffer(data.payload).ok()?;
                decoder.window_log_max(WINDOW_LOG).ok()?;
                self.read(decoder)
            }
            _ => None,
        };
        unpacked.map(Cow::Owned)
    }

    fn read(&mut self, reader: impl Read) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let result = reader.take(PAYLOAD.min(self.left)).read_to_end(&mut bytes);
        // What a torn payload costs counts too.
        self.left = self.left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX).max(PAYLOAD / 8));
        result.ok().filter(|_| self.left > 0).map(|_| bytes)
    }
}

fn as_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

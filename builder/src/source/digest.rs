//! SHA-256 digests: values, and hashing while reading.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, written as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Digest([u8; 32]);

/// Text that is not a SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid SHA-256 digest \"{0}\": expected 64 hexadecimal digits")]
pub struct BadDigest(String);

impl Sha256Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of all bytes of `reader`; `watch` gets the size of each chunk and may stop the reading.
    pub fn of_reader<E: From<io::Error>>(
        mut reader: impl Read,
        mut watch: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(0) => return Ok(hasher.digest()),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e.into()),
            };
            hasher.update(buffer.get(..n).unwrap_or_default());
            watch(n as u64)?;
        }
    }

    /// The raw 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A digest being computed.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all added bytes.
    pub fn digest(self) -> Sha256Digest {
        Sha256Digest(self.0.finalize().into())
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader that hashes the bytes on a separate thread, so that it costs little more than a copy.
#[derive(Debug)]
pub struct HashingReader<R> {
    inner: R,
    /// Read, and not sent to the hash yet.
    read: Vec<u8>,
    pieces: SyncSender<Vec<u8>>,
    hasher: JoinHandle<Sha256Digest>,
}

impl<R: Read> HashingReader<R> {
    /// Chunks that may wait for the hash: enough to balance both threads, with bounded memory.
    const WAITING: usize = 4;
    /// Bytes of a chunk: readers may come in steps of 8 KiB, and each chunk wakes the other thread.
    const CHUNK: usize = 256 * 1024;

    /// Hashes from the current position on.
    pub fn new(inner: R) -> Self {
        let (pieces, arriving) = mpsc::sync_channel::<Vec<u8>>(Self::WAITING);
        let hasher = thread::spawn(move || {
            let mut hasher = Hasher::default();
            arriving.iter().for_each(|piece| hasher.update(&piece));
            hasher.digest()
        });
        Self { inner, read: Vec::with_capacity(Self::CHUNK), pieces, hasher }
    }

    /// The digest of all bytes that were read.
    pub fn digest(mut self) -> io::Result<Sha256Digest> {
        self.send()?;
        drop(self.pieces);
        self.hasher.join().map_err(|_| lost())
    }

    fn send(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.read, Vec::with_capacity(Self::CHUNK));
        self.pieces.send(chunk).map_err(|_| lost())
    }
}

/// The hashing thread is gone. It never happens, but must not abort the program.
fn lost() -> io::Error {
    io::Error::other("the hashing thread ended early")
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.extend_from_slice(buffer.get(..n).unwrap_or_default());
        if self.read.len() >= Self::CHUNK {
            self.send()?;
        }
        Ok(n)
    }
}

impl FromStr for Sha256Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        hex(text).map(Self).ok_or_else(|| BadDigest(text.chars().take(80).collect()))
    }
}

/// The bytes of exactly `2 * N` hexadecimal digits.
pub(super) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high).zip(nibble(*low)).map(|(h, l)| h << 4 | l)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Sha256Digest {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.parse()
    }
}

impl From<Sha256Digest> for String {
    fn from(digest: Sha256Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn every_way_to_hash_gives_the_known_answer() {
        assert_eq!(Sha256Digest::of(b"abc").to_string(), ABC);
        let mut reader = HashingReader::new(&b"abc"[..]);
        io::copy(&mut reader, &mut io::sink()).unwrap();
        assert_eq!(reader.digest().unwrap().to_string(), ABC);
        let mut seen = 0;
        let digest = Sha256Digest::of_reader(&b"abc"[..], |n| {
            seen += n;
            Ok::<_, io::Error>(())
        });
        assert_eq!((digest.unwrap().to_string().as_str(), seen), (ABC, 3));
    }

    #[test]
    fn a_reader_is_hashed_whole_in_chunks_of_any_size() {
        let chunk = HashingReader::<&[u8]>::CHUNK;
        for length in [0, 1, chunk - 1, chunk, chunk + 1, 9 * chunk + 7] {
            let bytes: Vec<u8> = (0..=250_u8).cycle().take(length).collect();
            for step in [1000, chunk, 3 * chunk + 1] {
                let mut reader = HashingReader::new(&bytes[..]);
                let mut buffer = vec![0; step];
                while reader.read(&mut buffer).unwrap() > 0 {}
                assert_eq!(reader.digest().unwrap(), Sha256Digest::of(&bytes), "{length} by {step}");
            }
        }
    }

    #[test]
    fn uppercase_is_read_and_lowercase_is_written() {
        assert_eq!(ABC.to_uppercase().parse::<Sha256Digest>().unwrap().to_string(), ABC);
    }

    #[test]
    fn an_invalid_digest_is_rejected() {
        for bad in ["", "abc", &ABC[1..], &format!("{ABC}0"), &format!("{ABC}00"), &ABC.replace('b', "g")] {
            let error = bad.parse::<Sha256Digest>().unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits"), "{error}");
        }
        assert!(format!("é{}", &ABC[2..]).parse::<Sha256Digest>().is_err());
    }
}

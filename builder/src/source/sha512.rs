//! SHA-512 digests, by which Debian publishes its images.

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use sha2::{Digest as _, Sha512};

use super::digest::hex;
use crate::interrupt::{Interrupt, Interrupted};

/// A SHA-512 digest, written as 128 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha512Digest([u8; 64]);

/// Text that is not a SHA-512 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid SHA-512 digest \"{0}\": expected 128 hexadecimal digits")]
pub struct BadSha512(String);

/// Why a file was not hashed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Sha512Digest {
    /// The digest of all bytes of `reader`.
    pub(crate) fn of_reader(mut reader: impl Read, interrupt: &Interrupt) -> Result<Self, Unread> {
        let mut hasher = Sha512::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(0) => return Ok(Self(hasher.finalize().into())),
                Ok(n) => n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            interrupt.check()?;
            hasher.update(buffer.get(..n).unwrap_or_default());
        }
    }
}

impl FromStr for Sha512Digest {
    type Err = BadSha512;

    fn from_str(text: &str) -> Result<Self, BadSha512> {
        hex(text).map(Self).ok_or_else(|| BadSha512(text.chars().take(160).collect()))
    }
}

impl fmt::Display for Sha512Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha512Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, appendix C.1.
    const ABC: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                       2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

    #[test]
    fn the_known_answer_is_given_and_read() {
        let digest = Sha512Digest::of_reader(&b"abc"[..], &Interrupt::new()).unwrap();
        assert_eq!(digest.to_string(), ABC);
        assert_eq!(ABC.to_uppercase().parse(), Ok(digest));
        for bad in ["", "abc", &ABC[1..], &format!("{ABC}0"), &ABC[..64], &ABC.replace('d', "g")] {
            assert!(bad.parse::<Sha512Digest>().is_err(), "{bad}");
        }
    }
}

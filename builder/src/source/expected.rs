//! The digest that a file must have, by the algorithm of its publisher.

use std::fmt;

use super::digest::Sha256Digest;
use super::sha512::Sha512Digest;

/// What a publisher says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedDigest {
    /// As most publishers.
    Sha256(Sha256Digest),
    /// As Debian.
    Sha512(Sha512Digest),
}

impl ExpectedDigest {
    /// The digest by which the file is kept and locked, where it is known before the file is here.
    pub(crate) fn sha256(&self) -> Option<Sha256Digest> {
        match self {
            Self::Sha256(digest) => Some(*digest),
            Self::Sha512(_) => None,
        }
    }
}

impl fmt::Display for ExpectedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "SHA-256 {digest}"),
            Self::Sha512(digest) => write!(f, "SHA-512 {digest}"),
        }
    }
}

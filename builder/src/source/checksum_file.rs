//! Checksum files that publishers put beside their files.
//!
//! Raspberry Pi OS: `<file>.sha256` with one line; Ubuntu and Debian: `SHA256SUMS`; k3s: `sha256sum-arm64.txt`. All have
//! the format of `sha256sum`: digest, space, space or `*` (binary mode), name; some publishers write only the digest. Debian's
//! cloud images have `SHA512SUMS` alone.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::digest::Sha256Digest;
use super::sha512::Sha512Digest;

/// A digest that a checksum file can have.
pub trait FileDigest: Copy + PartialEq + FromStr {
    /// Its algorithm, for messages.
    const NAME: &'static str;
}

impl FileDigest for Sha256Digest {
    const NAME: &'static str = "SHA-256";
}

impl FileDigest for Sha512Digest {
    const NAME: &'static str = "SHA-512";
}

/// The digests of a checksum file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChecksumFile<D = Sha256Digest> {
    /// One digest without a name: of the file beside the checksum file.
    Bare(D),
    /// Digests by file name.
    Named(BTreeMap<String, D>),
}

/// Why a checksum file does not give the digest. The messages follow the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// A line is not `<digest>  <name>`.
    #[error("invalid line {line}, expected \"<{digest}>  <file name>\", found \"{text}\"")]
    Malformed {
        /// The algorithm.
        digest: &'static str,
        /// Counted from 1.
        line: usize,
        /// The beginning of the line.
        text: String,
    },
    /// It is empty.
    #[error("the file has no checksum")]
    Empty,
    /// Two digests for one name.
    #[error("two different checksums for {0}")]
    Contradiction(String),
    /// The file is not listed.
    #[error("no checksum for {name}; it lists {listed}")]
    NotListed {
        /// The requested file.
        name: String,
        /// The listed files.
        listed: String,
    },
}

impl<D: FileDigest> ChecksumFile<D> {
    /// Parses a checksum file. Blank lines and lines that begin with `#` are ignored.
    pub fn parse(text: &str) -> Result<Self, ChecksumError> {
        let mut named = BTreeMap::new();
        let mut bare = None;
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let malformed = || ChecksumError::Malformed {
                digest: D::NAME,
                line: number,
                text: line.chars().take(80).collect(),
            };
            // A digest without a name is unambiguous only if it is the only line.
            if bare.is_some() {
                return Err(malformed());
            }
            let (digest, name) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            let digest: D = digest.parse().map_err(|_| malformed())?;
            match plain_name(name) {
                None if named.is_empty() => bare = Some(digest),
                None => return Err(malformed()),
                Some(name) => {
                    if named.insert(name.to_owned(), digest).is_some_and(|earlier| earlier != digest) {
                        return Err(ChecksumError::Contradiction(name.to_owned()));
                    }
                }
            }
        }
        match bare {
            Some(digest) => Ok(Self::Bare(digest)),
            None if named.is_empty() => Err(ChecksumError::Empty),
            None => Ok(Self::Named(named)),
        }
    }

    /// The digest of the file called `name`.
    pub fn digest_of(&self, name: &str) -> Result<D, ChecksumError> {
        match self {
            Self::Bare(digest) => Ok(*digest),
            Self::Named(named) => named.get(name).copied().ok_or_else(|| ChecksumError::NotListed {
                name: name.to_owned(),
                listed: list(named.keys()),
            }),
        }
    }

    /// Whether a file of this name is listed.
    pub fn lists(&self, name: &str) -> bool {
        matches!(self, Self::Named(named) if named.contains_key(name))
    }
}

/// The name without the binary mode mark and without `./`; `None` if it is empty.
fn plain_name(rest: &str) -> Option<&str> {
    let name = rest.trim_start();
    let name = name.strip_prefix('*').unwrap_or(name);
    let name = name.strip_prefix("./").unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

/// The first few names, for a message.
pub(crate) fn list<T: AsRef<str>>(names: impl Iterator<Item = T>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<T> = names.collect();
    let mut text = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => text.push_str("nothing"),
        n if n > SHOWN => text.push_str(&format!(" and {} more", n - SHOWN)),
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As most publishers have it.
    type Sums = ChecksumFile<Sha256Digest>;

    fn hex(n: u8) -> String {
        format!("{n:02x}").repeat(32)
    }

    fn digest(n: u8) -> Sha256Digest {
        hex(n).parse().unwrap()
    }

    #[test]
    fn every_format_of_a_publisher_is_read() {
        for text in [
            format!("{}  x.img.xz\n", hex(1)),
            format!("{} *x.img.xz\n", hex(1)),
            format!("{}  ./x.img.xz\r\n", hex(1)),
            format!("{}\n", hex(1)),
            hex(1).to_uppercase(),
            format!("# a comment\n\n{}  x.img.xz\n{} *other.img.xz\n", hex(1), hex(2)),
            format!("{0}  x.img.xz\n{0}  x.img.xz\n", hex(1)),
        ] {
            assert_eq!(Sums::parse(&text).unwrap().digest_of("x.img.xz"), Ok(digest(1)), "{text}");
        }
    }

    #[test]
    fn a_part_of_a_name_does_not_match() {
        let file = Sums::parse(&format!("{}  k3s-arm64\n{}  k3s-arm64.old\n", hex(1), hex(2))).unwrap();
        assert_eq!(file.digest_of("k3s-arm64"), Ok(digest(1)));
        let error = file.digest_of("k3s").unwrap_err().to_string();
        assert_eq!(error, "no checksum for k3s; it lists k3s-arm64, k3s-arm64.old");
        assert!(file.lists("k3s-arm64") && !file.lists("k3s"));
    }

    #[test]
    fn contradictory_empty_and_malformed_files_are_rejected() {
        use ChecksumError as E;
        let two = format!("{}  x\n{}  x\n", hex(1), hex(2));
        assert_eq!(Sums::parse(&two), Err(E::Contradiction("x".into())));
        assert_eq!(Sums::parse("\n# nothing\n"), Err(E::Empty));
        for text in [
            "<!DOCTYPE html>".to_owned(),
            format!("{}\n{}\n", hex(1), hex(2)),
            format!("{}  x\n{}\n", hex(1), hex(2)),
            format!("{}\n{}  x\n", hex(1), hex(2)),
            format!("SHA256 (x) = {}", hex(1)),
            format!("\\{}  a\\nb", hex(1)),
        ] {
            assert!(matches!(Sums::parse(&text), Err(E::Malformed { .. })), "{text}");
        }
    }
}

//! A text that must not be printed, and fresh random ones.

use anyhow::{Result, anyhow};
use sha2::{Digest, Sha256};

/// A password. It has no `Display` and its `Debug` shows nothing, so that no log line can leak it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Takes over a text.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// 128 random bits as 32 hex digits: the form of a k3s node password.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub(crate) fn random() -> Result<Self> {
        let mut bytes = [0_u8; 16];
        rustls::crypto::ring::default_provider()
            .secure_random
            .fill(&mut bytes)
            .map_err(|_| anyhow!("getting random bytes from the kernel"))?;
        Ok(Self(hex(&bytes)))
    }

    /// The text itself, where it has to be written or sent.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The lower-case hex SHA-256 of some bytes.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
    }

    #[test]
    fn a_random_secret_is_32_hex_digits() {
        let secret = Secret::random().unwrap();
        assert_eq!(secret.reveal().len(), 32);
        assert!(secret.reveal().bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(secret, Secret::random().unwrap());
    }

    #[test]
    fn sha256_of_nothing_is_the_known_one() {
        assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}

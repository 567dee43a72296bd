//! Text that nobody may read by accident.

use secrecy::{ExposeSecret, SecretString};

/// Text that does not print and is wiped from memory when it is dropped.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text, to be written where the node reads it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

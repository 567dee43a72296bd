//! Text that is never shown.

use std::fmt;

use zeroize::Zeroizing;

/// A password, a token, a private key, or a file that holds one.
///
/// It has neither `Display` nor `Serialize`: who wants the text must ask for it by name, and [`Secret::expose`] is easy
/// to search for. The memory is overwritten when it is dropped; copies that libraries make on their way (ring's keys,
/// the TOML parser) are out of reach.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for where it has to go.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for Secret {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_a_placeholder() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<secret>");
        assert_eq!(format!("{:?}", Some(vec![Secret::new("hunter2")])), "Some([<secret>])");
    }
}

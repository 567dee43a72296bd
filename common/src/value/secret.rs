//! Secret text, which is never printed.

use std::fmt;

use zeroize::Zeroizing;

/// A password, a token, a private key, or a file that contains one.
///
/// It has neither `Display` nor `Serialize`: the text is available only by [`Secret::expose`], which is easy to search
/// for. The memory is overwritten on drop; copies inside libraries (ring's keys, the TOML parser) are not.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself.
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
    fn debug_prints_a_placeholder() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<secret>");
        assert_eq!(format!("{:?}", Some(vec![Secret::new("hunter2")])), "Some([<secret>])");
    }
}

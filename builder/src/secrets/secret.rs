//! Text that is never shown.

use std::fmt;

use zeroize::Zeroizing;

use super::error::SecretsError;

/// A password, a token, a private key, or a file that holds one.
///
/// It has neither `Display` nor `Serialize`: who wants the text must ask for it by name, and [`Secret::expose`] is easy
/// to search for. The memory is overwritten when it is dropped; copies that libraries make on their way (ring's keys,
/// the TOML parser) are out of reach.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// Bytes in a password. k3s makes its own tokens and node passwords of as many (`util.Random(16)`).
const PASSWORD_BYTES: usize = 16;

/// Hexadecimal digits in a password.
const PASSWORD_DIGITS: usize = 2 * PASSWORD_BYTES;

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for where it has to go.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// 128 random bits of the system, as 32 lower-case hexadecimal digits.
    pub(super) fn random_password() -> Result<Self, SecretsError> {
        let mut bytes = Zeroizing::new([0; PASSWORD_BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(SecretsError::Random)?;
        let mut text = Zeroizing::new(String::with_capacity(PASSWORD_DIGITS));
        for byte in bytes.iter() {
            for nibble in [byte >> 4, byte & 0xf] {
                text.extend(char::from_digit(nibble.into(), 16));
            }
        }
        Ok(Self(text))
    }

    /// Whether it has the form of [`Secret::random_password`].
    pub(super) fn is_password(&self) -> bool {
        self.0.len() == PASSWORD_DIGITS && self.0.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
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
    fn passwords_have_32_hexadecimal_digits_and_differ() {
        let (first, second) = (Secret::random_password().unwrap(), Secret::random_password().unwrap());
        assert!(first.is_password() && second.is_password());
        assert_ne!(first.expose(), second.expose());
    }

    #[test]
    fn what_is_no_password_of_ours_is_told_apart() {
        let good = "0123456789abcdef0123456789abcdef";
        assert!(Secret::new(good).is_password());
        for bad in ["", &good[1..], &format!("{good}0"), &good.to_uppercase(), &good.replace('f', "g")] {
            assert!(!Secret::new(bad).is_password(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_a_placeholder() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<secret>");
        assert_eq!(format!("{:?}", Some(vec![Secret::new("hunter2")])), "Some([<secret>])");
    }
}

//! Random passwords.

use zeroize::Zeroizing;

use super::error::SecretsError;
use crate::value::Secret;

/// Bytes in a password, as in k3s's own tokens and node passwords (`util.Random(16)`).
const PASSWORD_BYTES: usize = 16;

/// Hexadecimal digits in a password.
const PASSWORD_DIGITS: usize = 2 * PASSWORD_BYTES;

impl Secret {
    /// 128 random bits from the system, as 32 lowercase hexadecimal digits.
    pub(super) fn random_password() -> Result<Self, SecretsError> {
        let mut bytes = Zeroizing::new([0; PASSWORD_BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(SecretsError::Random)?;
        let mut text = Zeroizing::new(String::with_capacity(PASSWORD_DIGITS));
        for byte in bytes.iter() {
            for nibble in [byte >> 4, byte & 0xf] {
                text.extend(char::from_digit(nibble.into(), 16));
            }
        }
        Ok(Self::from(text))
    }

    /// Whether it has the format of [`Secret::random_password`].
    pub(super) fn is_password(&self) -> bool {
        let text = self.expose();
        text.len() == PASSWORD_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
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
    fn only_32_lowercase_hex_digits_are_a_password() {
        let good = "0123456789abcdef0123456789abcdef";
        assert!(Secret::new(good).is_password());
        for bad in ["", &good[1..], &format!("{good}0"), &good.to_uppercase(), &good.replace('f', "g")] {
            assert!(!Secret::new(bad).is_password(), "{bad}");
        }
    }
}

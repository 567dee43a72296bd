//! Passwords that are made here.

use zeroize::Zeroizing;

use super::error::SecretsError;
use crate::value::Secret;

/// Bytes in a password. k3s makes its own tokens and node passwords of as many (`util.Random(16)`).
const PASSWORD_BYTES: usize = 16;

/// Hexadecimal digits in a password.
const PASSWORD_DIGITS: usize = 2 * PASSWORD_BYTES;

/// What a password looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// What it begins with.
    pub prefix: String,
    /// How many lower-case hexadecimal digits follow.
    pub digits: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { prefix: String::new(), digits: PASSWORD_DIGITS }
    }
}

impl Shape {
    /// Four random bits of the system for each digit.
    pub(super) fn random(&self) -> Result<Secret, SecretsError> {
        let mut bytes = Zeroizing::new(vec![0; self.digits.div_ceil(2)]);
        getrandom::fill(bytes.as_mut()).map_err(SecretsError::Random)?;
        // Allocated once: a growing text would leave copies in memory.
        let mut text = Zeroizing::new(String::with_capacity(self.prefix.len().saturating_add(self.digits)));
        text.push_str(&self.prefix);
        let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        text.extend(nibbles.take(self.digits).filter_map(|nibble| char::from_digit(nibble.into(), 16)));
        Ok(Secret::from(text))
    }

    /// Whether a password looks like that.
    pub fn is_of(&self, password: &Secret) -> bool {
        let digits = password.expose().strip_prefix(&self.prefix);
        digits.is_some_and(|digits| {
            digits.len() == self.digits && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    }
}

/// 128 random bits of the system, as 32 lower-case hexadecimal digits.
pub(super) fn random() -> Result<Secret, SecretsError> {
    Shape::default().random()
}

/// Whether it has the form of [`random`].
pub(super) fn is_valid(password: &Secret) -> bool {
    Shape::default().is_of(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_32_hexadecimal_digits_and_differ() {
        let (first, second) = (random().unwrap(), random().unwrap());
        assert!(is_valid(&first) && is_valid(&second));
        assert_ne!(first.expose(), second.expose());
    }

    #[test]
    fn a_password_has_the_shape_that_is_asked_for() {
        for (prefix, digits) in [("GK", 24), ("", 64), ("", 17)] {
            let shape = Shape { prefix: prefix.to_owned(), digits };
            let made = shape.random().unwrap();
            assert!(shape.is_of(&made) && made.expose().len() == prefix.len() + digits);
            assert!(!Shape::default().is_of(&made));
            assert!(!shape.is_of(&Secret::new(format!("{}A", &made.expose()[..made.expose().len() - 1]))));
        }
    }

    #[test]
    fn what_is_no_password_of_ours_is_told_apart() {
        let good = "0123456789abcdef0123456789abcdef";
        assert!(is_valid(&Secret::new(good)));
        for bad in ["", &good[1..], &format!("{good}0"), &good.to_uppercase(), &good.replace('f', "g")] {
            assert!(!is_valid(&Secret::new(bad)), "{bad}");
        }
    }
}

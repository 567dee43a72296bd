//! Passwords that are made here.

use zeroize::Zeroizing;

use super::error::SecretsError;
use crate::value::Secret;

/// Bytes in a password. k3s makes its own tokens and node passwords of as many (`util.Random(16)`).
const PASSWORD_BYTES: usize = 16;

/// Hexadecimal digits in a password.
const PASSWORD_DIGITS: usize = 2 * PASSWORD_BYTES;

/// 128 random bits of the system, as 32 lower-case hexadecimal digits.
pub(super) fn random() -> Result<Secret, SecretsError> {
    let mut bytes = Zeroizing::new([0; PASSWORD_BYTES]);
    getrandom::fill(bytes.as_mut()).map_err(SecretsError::Random)?;
    let mut text = Zeroizing::new(String::with_capacity(PASSWORD_DIGITS));
    for byte in bytes.iter() {
        for nibble in [byte >> 4, byte & 0xf] {
            text.extend(char::from_digit(nibble.into(), 16));
        }
    }
    Ok(Secret::from(text))
}

/// Whether it has the form of [`random`].
pub(super) fn is_valid(password: &Secret) -> bool {
    let text = password.expose();
    text.len() == PASSWORD_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
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
    fn what_is_no_password_of_ours_is_told_apart() {
        let good = "0123456789abcdef0123456789abcdef";
        assert!(is_valid(&Secret::new(good)));
        for bad in ["", &good[1..], &format!("{good}0"), &good.to_uppercase(), &good.replace('f', "g")] {
            assert!(!is_valid(&Secret::new(bad)), "{bad}");
        }
    }
}

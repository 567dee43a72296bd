//! Base64 (RFC 4648, section 4), for passwords in HTTP and certificates in a kubeconfig.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text of some bytes, with padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |i: usize| three.get(i).copied().map_or(0, u32::from);
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for i in 0..4_u32 {
            let digit = usize::try_from((bits >> (18 - 6 * i)) & 63).ok().and_then(|at| DIGITS.get(at));
            let used = usize::try_from(i).is_ok_and(|i| i <= three.len());
            text.push(digit.filter(|_| used).map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

/// The bytes of a text with padding; `None` if it is not such a text.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let digits = text.trim_end_matches('=').as_bytes();
    for four in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in four {
            let value = DIGITS.iter().position(|known| known == digit)?;
            bits = (bits << 6) | u32::try_from(value).ok()?;
        }
        let missing = 4_usize.saturating_sub(four.len());
        bits <<= 6 * u32::try_from(missing).ok()?;
        let three = [bits >> 16, bits >> 8, bits].map(|part| u8::try_from(part & 255).unwrap_or_default());
        bytes.extend(three.iter().take(3_usize.saturating_sub(missing)));
    }
    // Bits beyond the last byte, wrong padding or a digit too much have another text.
    (encode(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_rfcs_own_examples() {
        let table = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (text, expected) in table {
            assert_eq!(encode(text.as_bytes()), expected);
            assert_eq!(decode(expected).unwrap(), text.as_bytes());
        }
        for bad in ["Zg", "Zh==", "Zg=", "Z", "Zg==Zg==", "Zm9v\n", "Zm_v", "===="] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}

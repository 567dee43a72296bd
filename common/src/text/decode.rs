//! Texts that people write, with whatever editor: from bytes to text, at the border.

use std::fmt;

/// What some editors put before UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// How many bytes tell whether a text without a mark is UTF-16.
const SAMPLE: usize = 64;

/// Why bytes are not a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotText {
    /// Two bytes for each character.
    Utf16,
    /// Bytes that are not UTF-8.
    Invalid {
        /// The line of the first one, counted from 1.
        line: usize,
    },
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf16 => f.write_str(
                "it is UTF-16 text, which some editors call Unicode: save it as UTF-8 (in Notepad: Save as, Encoding)",
            ),
            Self::Invalid { line } => write!(f, "it is not UTF-8 text (line {line}): save it as UTF-8"),
        }
    }
}

impl std::error::Error for NotText {}

/// The text, without the byte order mark that some editors put before it: whatever reads the text would take the mark for
/// a part of the first word. Line ends stay as they are.
pub fn decode(bytes: &[u8]) -> Result<&str, NotText> {
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    if is_utf16(bytes) {
        return Err(NotText::Utf16);
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        NotText::Invalid { line: before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1) }
    })
}

/// Whether the bytes begin with the mark of UTF-8.
pub fn is_marked(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK)
}

/// By its mark, or because every second byte of a text in Latin letters is zero.
fn is_utf16(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return true;
    }
    let sample = bytes.get(..SAMPLE.min(bytes.len() & !1)).unwrap_or_default();
    let zeros = |first: usize| sample.iter().skip(first).step_by(2).all(|byte| *byte == 0);
    let others = |first: usize| sample.iter().skip(first).step_by(2).all(|byte| *byte != 0);
    !sample.is_empty() && (zeros(0) && others(1) || zeros(1) && others(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    }

    #[test]
    fn a_mark_is_removed_and_everything_else_stays() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"\xef\xbb\xbf", ""),
            (b"\xef\xbb\xbfroot=x\r\n", "root=x\r\n"),
            ("grün".as_bytes(), "grün"),
        ] {
            assert_eq!(decode(bytes), Ok(text));
        }
        assert!(is_marked(b"\xef\xbb\xbfx") && !is_marked(b"x"));
        // A mark inside the text is the text's own.
        assert_eq!(decode("a\u{feff}b".as_bytes()), Ok("a\u{feff}b"));
    }

    #[test]
    fn utf16_is_told_from_other_bytes() {
        let text = "hostname = \"hc-1\"\r\n";
        for little in [true, false] {
            let marked = [utf16("\u{feff}", little), utf16(text, little)].concat();
            assert_eq!(decode(&marked), Err(NotText::Utf16));
            assert_eq!(decode(&utf16(text, little)), Err(NotText::Utf16));
        }
        assert_eq!(decode(b"a\nb\n\xff"), Err(NotText::Invalid { line: 3 }));
        assert!(NotText::Utf16.to_string().contains("save it as UTF-8"));
    }
}

//! Foreign text for a terminal: nothing in it moves a cursor, turns the writing round, or pretends to be another line.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal shows the character as itself: no control code of C0 or C1, nothing that changes the direction of
/// writing (Unicode TR 36, "Bidirectional Text Spoofing"), and nothing invisible.
pub fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text on one line; what is not printable is written as in a Rust string, such as `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, is_printable)
}

/// The same for text of several lines: line ends and tabs stay.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| matches!(c, '\n' | '\t') || is_printable(c))
}

/// The same for bytes that should be text: those that are not UTF-8 are written as `\x9b`.
pub fn printable_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&printable_lines(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing into a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn escape(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(&stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if stays(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    Cow::Owned(out)
}

/// A line of a console without what terminals take for commands: colours, cursor moves, titles, the clipboard (ECMA-48,
/// and xterm's control sequences). What is left is [`printable`].
pub fn without_sequences(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let kind = match c {
            '\u{1b}' => match rest.next() {
                Some('[') => '[',
                Some(']' | 'P' | 'X' | '^' | '_') => ']',
                Some(' '..='/') => ' ',
                _ => continue,
            },
            '\u{9b}' => '[',
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => ']',
            '\t' => {
                out.push(c);
                continue;
            }
            // A line that was written over itself, and bells.
            '\r' | '\u{7}' => continue,
            c => {
                out.push_str(&printable(c.encode_utf8(&mut [0; 4])));
                continue;
            }
        };
        match kind {
            // Parameters, then one final character.
            '[' => {
                while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                rest.next_if(|c| matches!(c, '@'..='~'));
            }
            // A string up to its terminator.
            ']' => {
                while let Some(c) = rest.next() {
                    if matches!(c, '\u{7}' | '\u{9c}') || c == '\u{1b}' && rest.next_if_eq(&'\\').is_some() {
                        break;
                    }
                }
            }
            _ => {
                while rest.next_if(|c| matches!(c, ' '..='/')).is_some() {}
                rest.next();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        for (text, want) in [
            ("plain ä 漢 😀", "plain ä 漢 😀"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{9b}31m\u{7f}\u{0}", "\\u{9b}31m\\u{7f}\\u{0}"),
            ("exe\u{202e}gpj", "exe\\u{202e}gpj"),
            ("\u{feff}\u{200b}\u{2066}\u{e0041}", "\\u{feff}\\u{200b}\\u{2066}\\u{e0041}"),
            ("a\u{2028}b", "a\\u{2028}b"),
        ] {
            assert_eq!(printable(text), want);
        }
        assert_eq!(printable_lines("a\n\tb\r\u{1b}"), "a\n\tb\\r\\u{1b}");
        assert_eq!(printable_bytes(b"a\x9b\x1b\xff\n\xc3\xa4"), "a\\x9b\\u{1b}\\xff\n\u{e4}");
    }

    #[test]
    fn a_console_line_loses_its_sequences() {
        for (line, want) in [
            ("[\u{1b}[0;32m  OK  \u{1b}[0m] Started x", "[  OK  ] Started x"),
            ("\u{1b}]0;title\u{7}a", "a"),
            ("\u{1b}]52;c;cm0gLXJm\u{1b}\\a", "a"),
            ("\u{1b}]52;never ends", ""),
            ("\u{1b}P1$r\u{9c}a\u{9d}0;x\u{9c}b\u{9b}2Jc", "abc"),
            ("\u{1b}(Ba\u{1b}7b\u{1b}cc\u{1b}", "abc"),
            ("a\u{8}b\u{202e}c\td\r", "a\\u{8}b\\u{202e}c\td"),
            ("\u{1b}[3\u{1b}[31mx", "x"),
        ] {
            assert_eq!(without_sequences(line), want, "{line:?}");
        }
    }
}

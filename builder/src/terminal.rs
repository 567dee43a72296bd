//! The one way to the terminal: whatever is printed passes here, so that no foreign text in it is obeyed.
//!
//! Lines are made of fields, and a field on one line is made printable where the line is made. This is for all that is
//! forgotten there, such as the messages of other crates: a line end stays, everything else that is not printable is written
//! out.

use std::io::{self, Write};

use hc_common::text::printable::printable_bytes;

/// A writer to a terminal, or to what may be shown on one later.
#[derive(Debug)]
pub struct Terminal<W> {
    inner: W,
    /// Whether colours of our own pass.
    coloured: bool,
    /// The beginning of a character whose end was not written yet.
    pending: Vec<u8>,
}

impl<W: Write> Terminal<W> {
    /// Lets nothing pass but text.
    pub fn new(inner: W) -> Self {
        Self { inner, coloured: false, pending: Vec::new() }
    }

    /// Lets colours pass: foreign text must be made printable before.
    pub fn coloured(inner: W) -> Self {
        Self { coloured: true, ..Self::new(inner) }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while self.coloured
            && let Some((text, colour, tail)) = split_at_colour(rest)
        {
            self.inner.write_all(printable_bytes(text).as_bytes())?;
            self.inner.write_all(colour)?;
            rest = tail;
        }
        self.inner.write_all(printable_bytes(rest).as_bytes())
    }
}

/// What comes before the first colour sequence, the sequence, and what comes after it.
fn split_at_colour(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut from = 0;
    while let Some(start) = bytes.get(from..)?.windows(2).position(|pair| pair == b"\x1b[") {
        let start = from.saturating_add(start);
        let body = bytes.get(start.saturating_add(2)..)?;
        let length = body.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        let end = start.saturating_add(length).saturating_add(3);
        if body.get(length) == Some(&b'm') {
            return Some((bytes.get(..start)?, bytes.get(start..end)?, bytes.get(end..)?));
        }
        from = start.saturating_add(2);
    }
    None
}

impl<W: Write> Write for Terminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.pending);
        all.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&all) {
            // Cut within a character: the rest follows.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            // What is not UTF-8 may come before such a cut; then the cut character is written out too.
            _ => all.len(),
        };
        self.pending = all.split_off(whole);
        self.put(&all)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        self.put(&pending)?;
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(mut terminal: Terminal<Vec<u8>>, pieces: &[&[u8]]) -> String {
        for piece in pieces {
            terminal.write_all(piece).unwrap();
        }
        terminal.flush().unwrap();
        String::from_utf8(terminal.inner).unwrap()
    }

    #[test]
    fn only_text_and_line_ends_pass() {
        let said = written(
            Terminal::new(Vec::new()),
            &[b"a\x1b[31mb\n", "\u{9d}0;x\u{7}\u{202e}".as_bytes(), b"\xff"],
        );
        assert_eq!(said, "a\\u{1b}[31mb\n\\u{9d}0;x\\u{7}\\u{202e}\\xff");
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        let said = written(Terminal::new(Vec::new()), &[b"\xe6", b"\xbc", b"\xa2\xc2", b"\x9b", b"\xe6\xbc"]);
        assert_eq!(said, "漢\\u{9b}\\xe6\\xbc");
    }

    #[test]
    fn colours_pass_where_they_are_ours() {
        let text = b"\x1b[1;31mred\x1b[0m \x1b[2J\x1b]0;x\x07\x1b[";
        let said = written(Terminal::coloured(Vec::new()), &[text]);
        assert_eq!(said, "\u{1b}[1;31mred\u{1b}[0m \\u{1b}[2J\\u{1b}]0;x\\u{7}\\u{1b}[");
    }
}

//! Questions on a terminal.

use std::fmt::Display;
use std::io::{self, BufRead, Write};

/// Asks on `out` and reads answers from `input`.
pub(super) struct Dialogue<'a> {
    pub(super) input: &'a mut dyn BufRead,
    pub(super) out: &'a mut dyn Write,
}

impl Dialogue<'_> {
    /// Asks until the answer is valid; an empty one takes the default.
    pub(super) fn ask<T, E: Display>(
        &mut self,
        question: &str,
        default: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> io::Result<T> {
        loop {
            match default {
                "" => write!(self.out, "{question}: ")?,
                default => write!(self.out, "{question} [{default}]: ")?,
            }
            self.out.flush()?;
            let mut answer = String::new();
            if self.input.read_line(&mut answer)? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the input ended before the last question",
                ));
            }
            let answer = match answer.trim() {
                "" => default,
                answer => answer,
            };
            match read(answer) {
                Ok(value) => return Ok(value),
                Err(error) => writeln!(self.out, "  {error}")?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_repeated_until_the_answer_can_be_read() {
        let mut out = Vec::new();
        let mut dialogue = Dialogue { input: &mut "many\n 3 \n\n".as_bytes(), out: &mut out };
        assert_eq!(dialogue.ask("How many", "1", str::parse::<u32>).unwrap(), 3);
        assert_eq!(dialogue.ask("How many", "1", str::parse::<u32>).unwrap(), 1);
        assert!(dialogue.ask("How many", "1", str::parse::<u32>).is_err());
        let said = String::from_utf8(out).unwrap();
        assert_eq!(said.matches("How many [1]: ").count(), 4);
        assert!(said.contains("invalid digit"), "{said}");
    }
}

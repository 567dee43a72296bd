//! Questions on a terminal.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};

use hc_common::text::printable::printable;

use super::output::{self, Usage};

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

/// Asks once on the terminal whether something is to be done that cannot be undone. Where nobody is there to ask, `--yes` with `answer`
/// is what a script would say.
pub(super) fn confirm(
    given: Option<&str>,
    answer: &str,
    lost: &[String],
    question: &str,
) -> anyhow::Result<()> {
    if let Some(given) = given {
        if given != answer {
            return Err(Usage(format!("expected --yes {answer}, found --yes {given}")).into());
        }
        return Ok(());
    }
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Usage(format!("nobody is there to ask: add --yes {answer}")).into());
    }
    let mut out = output::stderr();
    for line in lost {
        writeln!(out, "{}", printable(line))?;
    }
    write!(out, "{} [y/N] ", printable(question))?;
    out.flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => anyhow::bail!("not written"),
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

//! Standard output and standard error. All text passes a [`Terminal`].

use std::fmt;
use std::io::{self, IsTerminal, Stderr, StdoutLock, Write};

use serde::Serialize;

use hc_common::text::printable::is_printable;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use crate::exit_class::{Classified, ExitClass};
use crate::terminal::Terminal;

/// A combination of arguments that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

impl Classified for Usage {
    fn class(&self) -> Option<ExitClass> {
        Some(ExitClass::Usage)
    }
}

/// Standard output. That its reader closed it, as `head` does, is told apart from any other broken pipe.
pub(super) struct Output(Sink);

enum Sink {
    Text(Terminal<StdoutLock<'static>>),
    /// The bytes as they are, where no terminal is.
    Raw(StdoutLock<'static>),
}

/// The reader closed our output: no error.
#[derive(Debug)]
struct OutputClosed;

impl std::error::Error for OutputClosed {}

impl fmt::Display for OutputClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("output closed")
    }
}

/// Whether to print colours: on a terminal, unless the user's environment says no (no-color.org).
pub(super) fn coloured() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    io::stdout().is_terminal() && !refused && !dumb
}

/// How many columns the terminal of standard output has.
pub(super) fn terminal_width() -> u16 {
    console::Term::stdout().size().1
}

/// Where commands print.
pub(super) fn stdout() -> Output {
    Output(Sink::Text(Terminal::new(io::stdout().lock())))
}

/// The same where foreign text was made printable already, and colours are wanted.
pub(super) fn coloured_stdout() -> Output {
    Output(Sink::Text(Terminal::coloured(io::stdout().lock())))
}

/// For the content of a file: its bytes as they are, or what is printable of them where somebody looks at it.
pub(super) fn content() -> Output {
    let stdout = io::stdout();
    if stdout.is_terminal() { self::stdout() } else { Output(Sink::Raw(stdout.lock())) }
}

/// Where commands warn and fail.
pub(super) fn stderr() -> Terminal<Stderr> {
    Terminal::new(io::stderr())
}

/// Prints a value as indented JSON with a newline at the end.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = stdout();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Escaping(PrettyFormatter::new()));
    value.serialize(&mut serializer)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// A value as JSON on one line.
pub(super) fn json_line(value: &impl Serialize) -> anyhow::Result<String> {
    let mut line = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut line, Escaping(CompactFormatter)))?;
    Ok(String::from_utf8(line)?)
}

/// JSON in which every character is printable: the data stays the same.
struct Escaping<F>(F);

impl<F: Formatter> Formatter for Escaping<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.chars().all(is_printable) {
            return writer.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            if is_printable(c) {
                write!(writer, "{c}")?;
            } else {
                c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?;
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Sink::Text(out) => out.write(bytes),
            Sink::Raw(out) => out.write(bytes),
        }
        .map_err(mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Sink::Text(out) => out.flush(),
            Sink::Raw(out) => out.flush(),
        }
        .map_err(mark)
    }
}

fn mark(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe { io::Error::other(OutputClosed) } else { error }
}

/// Whether an error is only that.
pub(super) fn is_output_closed(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>()?.get_ref())
        .any(|inner| inner.is::<OutputClosed>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_the_data_and_prints_no_control_character() {
        let value = serde_json::json!({ "a\u{9b}": ["\u{1b}[2J", "x\u{202e}y", "\u{e0041}", "ä\n"], "b": {}, "c": [] });
        let mut out = Vec::new();
        let mut serializer =
            serde_json::Serializer::with_formatter(&mut out, Escaping(PrettyFormatter::new()));
        value.serialize(&mut serializer).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.chars().all(|c| c == '\n' || is_printable(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        let plain = serde_json::json!({ "a": [1, {"b": "c"}] });
        let mut out = Vec::new();
        plain
            .serialize(&mut serde_json::Serializer::with_formatter(
                &mut out,
                Escaping(PrettyFormatter::new()),
            ))
            .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string_pretty(&plain).unwrap());
    }
}

//! Standard output.

use std::fmt;
use std::io::{self, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use crate::exit_class::{Classified, ExitClass};

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
pub(super) struct Output(StdoutLock<'static>);

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

/// Where commands print.
pub(super) fn stdout() -> Output {
    Output(io::stdout().lock())
}

/// Prints a value as indented JSON with a newline at the end.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(mark)
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

//! Log lines on standard error in the form k3s writes, so that whoever reads its journal can read ours.

use std::io::Write;

/// Something that happened as it should.
pub(crate) fn info(message: &str) {
    line("info", message);
}

/// Something that is odd but does not stop us.
pub(crate) fn warn(message: &str) {
    line("warning", message);
}

/// Something that failed and is tried again, or is left as it is.
pub(crate) fn error(message: &str) {
    line("error", message);
}

/// The one line before the program ends with a failure.
pub(crate) fn fatal(message: &str) {
    line("fatal", message);
}

fn line(level: &str, message: &str) {
    let text = format!("time={:?} level={level} msg={message:?}\n", crate::clock::rfc3339_now());
    // A log that cannot be written has nowhere to complain to.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

//! Progress of long work: bars on a terminal, plain lines elsewhere, nothing in tests.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hc_common::text::printable::{printable, printable_lines};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

/// Where work reports to.
pub trait Progress: Send + Sync {
    /// Begins a piece of work, such as "downloading x.img.xz", of `total` bytes where that is known.
    fn start(&self, what: &str, total: Option<u64>) -> Box<dyn Task>;
    /// Tells the user something that is neither progress nor an error, such as a warning. May have several lines.
    fn message(&self, text: &str);
}

/// A piece of work under way. Dropped before [`Task::done`] it was given up.
pub trait Task: Send {
    /// `bytes` more are done.
    fn advance(&self, bytes: u64);
    /// The work is complete.
    fn done(self: Box<Self>);
}

/// Bars when stderr is a terminal, lines otherwise.
pub fn on_stderr() -> Box<dyn Progress> {
    if io::stderr().is_terminal() { Box::new(Bars::default()) } else { Box::new(Lines) }
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _what: &str, _total: Option<u64>) -> Box<dyn Task> {
        Box::new(Self)
    }

    fn message(&self, _text: &str) {}
}

impl Task for Silent {
    fn advance(&self, _bytes: u64) {}
    fn done(self: Box<Self>) {}
}

/// One bar a task, on stderr.
#[derive(Debug, Default)]
pub struct Bars(MultiProgress);

const BAR: &str = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const SPINNER: &str = "{msg} {spinner} {bytes} {bytes_per_sec}";

impl Progress for Bars {
    fn start(&self, what: &str, total: Option<u64>) -> Box<dyn Task> {
        let template = if total.is_some() { BAR } else { SPINNER };
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        // A template that does not parse would only cost the looks; the test below keeps both valid.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.0.add(bar.with_style(style).with_message(printable(what).into_owned()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Box::new(Bar(bar))
    }

    fn message(&self, text: &str) {
        self.0.suspend(|| log(&mut io::stderr(), text));
    }
}

struct Bar(ProgressBar);

impl Task for Bar {
    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn done(self: Box<Self>) {
        self.0.finish();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if !self.0.is_finished() {
            self.0.abandon();
        }
    }
}

/// A line at the start, one every few seconds and one at the end, on stderr: for logs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lines;

impl Progress for Lines {
    fn start(&self, what: &str, total: Option<u64>) -> Box<dyn Task> {
        Box::new(LineTask::new(what, total, io::stderr()))
    }

    fn message(&self, text: &str) {
        log(&mut io::stderr(), text);
    }
}

const BETWEEN_LINES: Duration = Duration::from_secs(5);

struct LineTask<W> {
    what: String,
    total: Option<u64>,
    state: Mutex<LineState<W>>,
}

struct LineState<W> {
    out: W,
    bytes: u64,
    begun: Instant,
    last_line: Instant,
}

impl<W: Write> LineTask<W> {
    fn new(what: &str, total: Option<u64>, mut out: W) -> Self {
        let what = printable(what);
        let of = total.map(|total| format!(" ({})", HumanBytes(total))).unwrap_or_default();
        log(&mut out, &format!("{what}{of}"));
        let now = Instant::now();
        let state = Mutex::new(LineState { out, bytes: 0, begun: now, last_line: now });
        Self { what: what.into_owned(), total, state }
    }

    fn middle(&self, bytes: u64) -> String {
        let done = HumanBytes(bytes);
        match self.total {
            Some(total) if total > 0 => {
                let percent = u128::from(bytes) * 100 / u128::from(total);
                format!("{}: {done} of {} ({percent} %)", self.what, HumanBytes(total))
            }
            _ => format!("{}: {done}", self.what),
        }
    }
}

/// A log that cannot be written must not stop the work.
fn log(out: &mut impl Write, line: &str) {
    let _ = writeln!(out, "{}", printable_lines(line));
}

impl<W: Write + Send> Task for LineTask<W> {
    fn advance(&self, bytes: u64) {
        let Ok(mut state) = self.state.lock() else { return };
        state.bytes = state.bytes.saturating_add(bytes);
        if state.last_line.elapsed() >= BETWEEN_LINES {
            state.last_line = Instant::now();
            let line = self.middle(state.bytes);
            log(&mut state.out, &line);
        }
    }

    fn done(self: Box<Self>) {
        let Ok(mut state) = self.state.lock() else { return };
        let seconds = state.begun.elapsed().as_secs_f32();
        let bytes = match state.bytes {
            0 => String::new(),
            bytes => format!("{} in ", HumanBytes(bytes)),
        };
        let line = format!("{}: done, {bytes}{seconds:.1} s", self.what);
        log(&mut state.out, &line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn both_templates_are_valid() {
        for template in [BAR, SPINNER] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn lines_tell_start_and_end() {
        let out = Shared::default();
        let task = Box::new(LineTask::new("copying a.img", Some(2048), out.clone()));
        task.advance(2048);
        assert_eq!(task.middle(1024), "copying a.img: 1.00 KiB of 2.00 KiB (50 %)");
        task.done();
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "copying a.img (2.00 KiB)");
        assert!(lines[1].starts_with("copying a.img: done, 2.00 KiB in "), "{text}");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn unknown_and_empty_totals_have_no_percentage() {
        assert_eq!(LineTask::new("x", None, Vec::new()).middle(1), "x: 1 B");
        assert_eq!(LineTask::new("x", Some(0), Vec::new()).middle(0), "x: 0 B");
    }
}

//! Progress of long work: bars on a terminal, plain lines elsewhere, nothing in tests.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hc_common::text::printable::{printable, printable_lines};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

mod whole;

use whole::Whole;

/// Where work reports to.
pub trait Progress: Send + Sync {
    /// Begins a piece of work, such as "downloading x.img.xz", of `total` bytes where that is known.
    fn start(&self, what: &str, total: Option<u64>) -> Box<dyn Task>;
    /// Says that an input of this digest, of so many bytes, will be downloaded: for the progress in total.
    fn expect(&self, _digest: &str, _bytes: u64) {}
    /// Begins a download, or begins it once more. Its bytes count in total, too.
    fn download(&self, what: &str, _digest: &str, total: Option<u64>) -> Box<dyn Task> {
        self.start(what, total)
    }
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
    if io::stderr().is_terminal() { Box::new(Bars::default()) } else { Box::new(Lines::default()) }
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

/// What all downloads share.
type Shared = Arc<Mutex<Whole>>;

fn lock(whole: &Shared) -> MutexGuard<'_, Whole> {
    whole.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One bar a task, on stderr, and below them one for all downloads.
#[derive(Debug, Default)]
pub struct Bars {
    bars: MultiProgress,
    whole: Shared,
    total: Mutex<Option<ProgressBar>>,
}

const BAR: &str = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const TOTAL: &str = "{msg}";
const SPINNER: &str = "{msg} {spinner} {bytes} {bytes_per_sec}";

impl Progress for Bars {
    fn start(&self, what: &str, total: Option<u64>) -> Box<dyn Task> {
        let template = if total.is_some() { BAR } else { SPINNER };
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        // A template that does not parse would only cost the looks; the test below keeps both valid.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = bar.with_style(style).with_message(printable(what).into_owned());
        // That of all downloads stays below.
        let total_bar = self.total.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let bar = match total_bar {
            Some(total) => self.bars.insert_before(&total, bar),
            None => self.bars.add(bar),
        };
        bar.enable_steady_tick(Duration::from_millis(200));
        Box::new(Bar(bar))
    }

    fn expect(&self, digest: &str, bytes: u64) {
        lock(&self.whole).expect(digest, bytes);
    }

    fn download(&self, what: &str, digest: &str, total: Option<u64>) -> Box<dyn Task> {
        lock(&self.whole).begin(digest, total);
        let task = self.start(what, total);
        let mut bar = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        if bar.is_none() && lock(&self.whole).both().is_some() {
            let style = ProgressStyle::with_template(TOTAL).unwrap_or_else(|_| ProgressStyle::default_bar());
            *bar = Some(self.bars.add(ProgressBar::new(0).with_style(style)));
        }
        Box::new(Part { task, digest: digest.to_owned(), whole: self.whole.clone(), total: bar.clone() })
    }

    fn message(&self, text: &str) {
        self.bars.suspend(|| log(&mut io::stderr(), text));
    }
}

/// A download, and its part in the total.
struct Part {
    task: Box<dyn Task>,
    digest: String,
    whole: Shared,
    total: Option<ProgressBar>,
}

impl Task for Part {
    fn advance(&self, bytes: u64) {
        self.task.advance(bytes);
        let mut whole = lock(&self.whole);
        whole.advance(&self.digest, bytes, Instant::now());
        if let (Some(bar), Some(line)) = (&self.total, whole.line()) {
            bar.set_message(line);
        }
    }

    fn done(self: Box<Self>) {
        self.task.done();
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
#[derive(Debug, Clone, Default)]
pub struct Lines {
    whole: Shared,
}

impl Progress for Lines {
    fn start(&self, what: &str, total: Option<u64>) -> Box<dyn Task> {
        Box::new(LineTask::new(what, total, io::stderr()))
    }

    fn expect(&self, digest: &str, bytes: u64) {
        lock(&self.whole).expect(digest, bytes);
    }

    fn download(&self, what: &str, digest: &str, total: Option<u64>) -> Box<dyn Task> {
        lock(&self.whole).begin(digest, total);
        let task = LineTask { whole: Some(self.whole.clone()), ..LineTask::new(what, total, io::stderr()) };
        Box::new(Part {
            task: Box::new(task),
            digest: digest.to_owned(),
            whole: self.whole.clone(),
            total: None,
        })
    }

    fn message(&self, text: &str) {
        log(&mut io::stderr(), text);
    }
}

const BETWEEN_LINES: Duration = Duration::from_secs(5);

struct LineTask<W> {
    what: String,
    total: Option<u64>,
    /// What a download tells of all of them.
    whole: Option<Shared>,
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
        Self { what: what.into_owned(), total, whole: None, state }
    }

    fn middle(&self, bytes: u64) -> String {
        let done = HumanBytes(bytes);
        let own = match self.total {
            Some(total) if total > 0 => {
                let percent = u128::from(bytes) * 100 / u128::from(total);
                format!("{}: {done} of {} ({percent} %)", self.what, HumanBytes(total))
            }
            _ => format!("{}: {done}", self.what),
        };
        match self.whole.as_ref().and_then(|whole| lock(whole).line()) {
            Some(whole) => format!("{own}; {whole}"),
            None => own,
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

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn both_templates_are_valid() {
        for template in [BAR, SPINNER, TOTAL] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn lines_tell_start_and_end() {
        let out = Written::default();
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

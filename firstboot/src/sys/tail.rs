//! The last lines of a log, in bounded memory.

use std::collections::VecDeque;

/// More lines than a phone shows at once, fewer than anybody reads.
const LINES: usize = 60;

/// The characters of a line that are kept: more than are shown, because secrets are taken out before it is cut to that.
const CHARS: usize = 4000;

/// The last lines of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail(VecDeque<String>);

impl Tail {
    /// Nothing logged yet.
    pub const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Adds what was logged at once: one line or several; empty ones say nothing.
    pub fn add(&mut self, text: &str) {
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            if self.0.len() == LINES {
                self.0.pop_front();
            }
            self.0.push_back(cut(line));
        }
    }

    /// The lines, the newest last.
    pub fn lines(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_long_ones_are_cut() {
        let mut tail = Tail::new();
        tail.add("\none\n\ntwo  \n");
        assert_eq!(tail.lines(), ["one", "two"]);
        (0..1000).for_each(|i| tail.add(&format!("line {i}\n")));
        let lines = tail.lines();
        assert_eq!((lines.len(), lines[0].as_str(), lines[59].as_str()), (60, "line 940", "line 999"));
        tail.add(&"ü".repeat(10_000));
        assert_eq!(tail.lines()[59], format!("{} …", "ü".repeat(4000)));
    }
}

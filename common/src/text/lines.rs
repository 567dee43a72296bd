//! A text as lines, without loss of bytes.

/// Lines with their line ends. Unchanged lines are rendered as they were read.
#[derive(Debug, Clone)]
pub struct Lines {
    lines: Vec<Line>,
    /// The line end of added lines: that of the first line.
    ending: &'static str,
    /// The end of the last line, if it has no complete line end.
    tail: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct Line {
    body: String,
    ending: &'static str,
}

impl Lines {
    /// Reads a text; [`Self::render`] gives the same bytes back.
    pub fn parse(text: &str) -> Self {
        let mut lines: Vec<Line> = text.split_inclusive('\n').map(Line::parse).collect();
        let ending = lines.first().map_or("\n", |line| line.ending);
        let tail = match text {
            "" => None,
            _ if text.ends_with('\n') => None,
            _ if text.ends_with('\r') => Some("\r"),
            _ => Some(""),
        };
        if let (Some(""), Some(last)) = (tail, lines.last_mut()) {
            // It gets a line end only if another line follows.
            last.ending = ending;
        }
        Self { lines, ending, tail }
    }

    /// The lines without their ends.
    pub fn bodies(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.body.as_str())
    }

    /// The lines without their ends, mutable.
    pub fn bodies_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.lines.iter_mut().map(|line| &mut line.body)
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds a line before line `at`, counted from 0; at the end if there is no such line.
    pub fn insert(&mut self, at: usize, body: impl Into<String>) {
        let line = Line { body: body.into(), ending: self.ending };
        self.lines.insert(at.min(self.lines.len()), line);
    }

    /// Adds a line at the end.
    pub fn push(&mut self, body: impl Into<String>) {
        self.insert(self.lines.len(), body);
    }

    /// Removes the lines for which `keep` is false; it gets the line numbers, counted from 0.
    pub fn retain(&mut self, mut keep: impl FnMut(usize, &str) -> bool) {
        let mut number = 0;
        self.lines.retain(|line| {
            let kept = keep(number, &line.body);
            number += 1;
            kept
        });
        // An empty line without a line end would vanish.
        if self.tail == Some("") && self.lines.last().is_some_and(|last| last.body.is_empty()) {
            self.tail = None;
        }
    }

    /// The whole text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut lines = self.lines.iter().peekable();
        while let Some(line) = lines.next() {
            text.push_str(&line.body);
            let tail = if lines.peek().is_none() { self.tail } else { None };
            text.push_str(tail.unwrap_or(line.ending));
        }
        text
    }
}

impl Line {
    /// A carriage return at the end of the text is an incomplete line end.
    fn parse(line: &str) -> Self {
        let without = line.strip_suffix('\n').unwrap_or(line);
        match without.strip_suffix('\r') {
            Some(body) => Self { body: body.to_owned(), ending: "\r\n" },
            None => Self { body: without.to_owned(), ending: "\n" },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn unchanged_text_renders_to_the_same_bytes(text in "[ab\r\n]{0,30}") {
            prop_assert_eq!(Lines::parse(&text).render(), text);
        }
    }

    #[test]
    fn an_added_line_ends_like_the_first_and_the_last_end_is_kept() {
        for (text, want) in [
            ("", "x\n"),
            ("a\n", "a\nx\n"),
            ("a", "a\nx"),
            ("a\r\n", "a\r\nx\r\n"),
            ("a\r\nb", "a\r\nb\r\nx"),
        ] {
            let mut lines = Lines::parse(text);
            lines.push("x");
            assert_eq!(lines.render(), want, "{text:?}");
        }
    }

    #[test]
    fn retain_numbers_lines_from_zero() {
        let mut lines = Lines::parse("a\nb\nc");
        lines.retain(|number, body| number != 1 && body != "c");
        assert_eq!(lines.render(), "a");
    }

    #[test]
    fn an_empty_last_line_is_kept() {
        let mut lines = Lines::parse("a\n\nb");
        lines.retain(|_, body| body != "b");
        assert_eq!(lines.render(), "a\n\n");
    }
}

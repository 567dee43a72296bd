//! Lines of colon-separated fields with a name first (passwd(5), shadow(5), group(5), gshadow(5)).

use crate::formats::error::EditError;
use hc_common::text::Lines;

/// A file of such lines. All other lines keep their bytes, including those of NIS.
#[derive(Debug, Clone)]
pub(super) struct Records {
    lines: Lines,
    fields: usize,
}

impl Records {
    /// Splits the text; well-formed lines have `fields` fields.
    pub(super) fn parse(text: &str, fields: usize) -> Self {
        Self { lines: Lines::parse(text), fields }
    }

    /// All well-formed lines.
    pub(super) fn all(&self) -> impl Iterator<Item = Vec<&str>> {
        self.lines.bodies().map(split).filter(|record| record.len() == self.fields)
    }

    /// The fields of `name`. Fails if the name has two lines, or a malformed one.
    pub(super) fn get(&self, name: &str) -> Result<Option<Vec<&str>>, EditError> {
        let mut found = self.lines.bodies().enumerate().filter(|(_, line)| is_of(line, name));
        let Some((number, line)) = found.next() else { return Ok(None) };
        let line_number = |index: usize| index.saturating_add(1);
        if let Some((second, _)) = found.next() {
            return Err(EditError::NamedTwice { name: name.to_owned(), line: line_number(second) });
        }
        let record = split(line);
        if record.len() != self.fields {
            let line = line_number(number);
            return Err(EditError::BadRecord { line, found: record.len(), wanted: self.fields });
        }
        Ok(Some(record))
    }

    /// Replaces the line with this name, or adds one at the end.
    pub(super) fn put(&mut self, record: &[impl AsRef<str>]) {
        let line = record.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(":");
        let name = record.first().map_or("", AsRef::as_ref);
        if let Some(old) = self.lines.bodies_mut().find(|line| is_of(line, name)) {
            *old = line;
            return;
        }
        // Before the lines of NIS, which include accounts from elsewhere.
        let at = self.lines.bodies().position(|line| line.starts_with(['+', '-']));
        self.lines.insert(at.unwrap_or(self.lines.len()), line);
    }

    pub(super) fn render(&self) -> String {
        self.lines.render()
    }
}

fn split(line: &str) -> Vec<&str> {
    line.split(':').collect()
}

fn is_of(line: &str, name: &str) -> bool {
    line.split(':').next() == Some(name)
}

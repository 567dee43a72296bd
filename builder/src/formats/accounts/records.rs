//! Lines of fields with colons between them, of which the first is a name (passwd(5), shadow(5), group(5), gshadow(5)).

use crate::formats::error::EditError;
use hc_common::text::Lines;

/// A file of such lines. What is not asked about stays to the byte, whatever it is: NIS has lines of its own.
#[derive(Debug, Clone)]
pub(super) struct Records {
    lines: Lines,
    fields: usize,
}

impl Records {
    /// Takes the text apart; its lines have `fields` fields where they are well-formed.
    pub(super) fn parse(text: &str, fields: usize) -> Self {
        Self { lines: Lines::parse(text), fields }
    }

    /// All well-formed lines.
    pub(super) fn all(&self) -> impl Iterator<Item = Vec<&str>> {
        self.lines.bodies().map(split).filter(|record| record.len() == self.fields)
    }

    /// The fields of `name`. Refused where the name has two lines, or one that the system would not understand.
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

    /// Puts the fields in place of the line of that name, or behind all others.
    pub(super) fn put(&mut self, record: &[impl AsRef<str>]) {
        let line = record.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(":");
        let name = record.first().map_or("", AsRef::as_ref);
        if let Some(old) = self.lines.bodies_mut().find(|line| is_of(line, name)) {
            *old = line;
            return;
        }
        // Before the lines of NIS, which stand for all accounts that come from elsewhere.
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

//! Problems as text: position, line, cause and fix.

use std::fmt;

use hc_common::text::printable::{is_printable, printable};
use serde::Serialize;

use super::field::Span;
use super::problem::{Problem, Problems, Severity, boundary};

/// All problems of one file, errors first, each kind in the order of the file.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The file's path, as the user gave it.
    pub file: String,
    /// The problems.
    pub findings: Vec<Finding>,
    /// Further problems, which are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One problem.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// The line of the file; `None` if it would show a secret.
    #[serde(skip)]
    excerpt: Option<Excerpt>,
}

/// A line of the file and the characters of it that the problem is about.
#[derive(Debug, Clone)]
struct Excerpt {
    line: String,
    marked: usize,
}

/// Longer lines are cut: a terminal would wrap them, and the mark below would be misplaced.
const WIDEST: usize = 120;

impl Report {
    pub(super) fn new(file: &str, problems: Problems<'_>) -> Self {
        let Problems { text, mut list, hidden, more, .. } = problems;
        list.sort_by_key(|problem| (problem.severity, problem.span.start));
        let findings = list.into_iter().map(|problem| finding(text, &hidden, problem)).collect();
        Self { file: printable(file).into_owned(), findings, more }
    }

    /// The number of problems of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether there are no problems.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }
}

fn finding(text: &str, hidden: &[Span], problem: Problem) -> Finding {
    let Problem { severity, span, message, hint } = problem;
    let start = boundary(text, span.start);
    let before = text.get(..start).unwrap_or_default();
    let begin = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
    let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
    let column = text.get(begin..start).map_or(0, |part| part.chars().count()).saturating_add(1);
    let excerpt = excerpt(text, hidden, begin, &(start..span.end.max(start)));
    let (message, hint) = (printable(&message).into_owned(), printable(&hint).into_owned());
    Finding { severity, line, column, message, hint, excerpt }
}

/// The line that begins at `begin`, up to the first secret on it; `None` if the problem comes after that.
fn excerpt(text: &str, hidden: &[Span], begin: usize, span: &Span) -> Option<Excerpt> {
    let line = text.get(begin..)?.lines().next()?;
    let end = begin.saturating_add(line.len());
    let secret =
        hidden.iter().filter(|secret| secret.start < end && secret.end > begin).map(|s| s.start).min();
    let shown = match secret {
        Some(start) if start < span.end.min(end) => return None,
        Some(start) => format!("{}…", text.get(begin..start)?),
        None => line.to_owned(),
    };
    let marked = text.get(span.start..span.end.min(end))?.chars().count();
    let line = match shown.char_indices().nth(WIDEST) {
        Some((cut, _)) => format!("{}…", shown.get(..cut)?),
        None => shown,
    };
    (!line.trim().is_empty()).then_some(Excerpt { line: as_wide(&line), marked: marked.max(1) })
}

/// As wide as it is in the file, so that the marks below stand where they should.
fn as_wide(line: &str) -> String {
    line.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if is_printable(c) => c,
            _ => '\u{fffd}',
        })
        .collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { severity, line, column, message, hint, excerpt } in &self.findings {
            let word = match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            writeln!(f, "{}:{line}:{column}: {word}: {message}", self.file)?;
            if let Some(Excerpt { line: shown, marked }) = excerpt {
                let (before, width) = (column.saturating_sub(1), shown.chars().count());
                let marks = "^".repeat((*marked).min(width.saturating_sub(before)).max(1));
                writeln!(f, "{line:>5} | {shown}")?;
                if before < WIDEST {
                    writeln!(f, "      | {:before$}{marks}", "")?;
                }
            }
            if !hint.is_empty() {
                writeln!(f, "      = {hint}")?;
            }
        }
        if self.more > 0 {
            writeln!(f, "and {} more problems, which are not listed", self.more)?;
        }
        let counts = [(Severity::Error, "error"), (Severity::Warning, "warning")]
            .map(|(severity, word)| (self.count(severity), word));
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
            .collect();
        if !counts.is_empty() {
            write!(f, "{} in {}", counts.join(" and "), self.file)?;
        }
        Ok(())
    }
}

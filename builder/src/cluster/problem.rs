//! The problems of a file, collected while it is read.

use crate::source::k3s_version::BadVersionReq;
use crate::value::ValueError;

use super::field::Span;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The build cannot start.
    Error,
    /// The build can start, but the result may not be as intended.
    Warning,
}

/// Why a value is invalid, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvalidValue {
    pub(super) message: String,
    pub(super) hint: String,
}

impl InvalidValue {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl From<ValueError> for InvalidValue {
    fn from(error: ValueError) -> Self {
        Self::new(error.problem(), error.hint())
    }
}

impl From<BadVersionReq> for InvalidValue {
    fn from(error: BadVersionReq) -> Self {
        Self::new(error.to_string(), "use stable, latest, v1.36 or a release such as v1.36.2+k3s1")
    }
}

/// One problem: cause, position and fix.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) severity: Severity,
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) hint: String,
}

/// All problems of a file so far, and the ranges that no message may show.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    pub(super) text: &'a str,
    /// Where each line ends.
    ends: Vec<usize>,
    pub(super) list: Vec<Problem>,
    pub(super) hidden: Vec<Span>,
    /// Problems that are not in the list, since it is long enough for anybody to read.
    pub(super) more: usize,
    /// Whether invalid parts of the file were removed.
    lacks_parts: bool,
}

/// The most problems of each severity that are listed.
pub(super) const MOST: usize = 100;

/// The end of the last whole character at or before an offset.
pub(super) fn boundary(text: &str, place: usize) -> usize {
    (0..=place.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Self { text, ends, list: Vec::new(), hidden: Vec::new(), more: 0, lacks_parts: false }
    }

    pub(super) fn error(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Error, span, message.into(), hint.into());
    }

    pub(super) fn warning(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Warning, span, message.into(), hint.into());
    }

    fn push(&mut self, severity: Severity, span: &Span, message: String, hint: String) {
        if self.list.iter().filter(|problem| problem.severity == severity).count() >= MOST {
            self.more = self.more.saturating_add(1);
            return;
        }
        self.list.push(Problem { severity, span: span.clone(), message, hint });
    }

    /// Reports an invalid value.
    pub(super) fn invalid(&mut self, span: &Span, error: impl Into<InvalidValue>) {
        let InvalidValue { message, hint } = error.into();
        self.error(span, message, hint);
    }

    /// Keeps a range out of every message.
    pub(super) fn hide(&mut self, span: Span) {
        self.hidden.push(span);
    }

    /// Ends the check against the schema: [`Self::is_whole`] is its result.
    pub(super) fn schema_is_checked(&mut self) {
        self.lacks_parts = self.has_errors();
    }

    /// Whether all of the file was read. If not, a missing part may have been reported as invalid already, and a second
    /// report would confuse.
    pub(super) fn is_whole(&self) -> bool {
        !self.lacks_parts
    }

    pub(super) fn has_errors(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The line of a position, counted from 1, to point from one problem to another.
    pub(super) fn line(&self, span: &Span) -> usize {
        self.ends.partition_point(|end| *end < span.start).saturating_add(1)
    }
}

//! What is wrong with a file, collected while it is read.

use crate::source::k3s_version::BadWanted;
use crate::value::ValueError;

use super::field::Span;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing can be built.
    Error,
    /// It can be built, but will perhaps not be what was meant.
    Warning,
}

/// Why a value was refused, and what to write instead.
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

impl From<BadWanted> for InvalidValue {
    fn from(error: BadWanted) -> Self {
        Self::new(error.to_string(), "write stable, latest, v1.36 or a release such as v1.36.2+k3s1")
    }
}

/// One problem: what is wrong, where, and what to do.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) severity: Severity,
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) hint: String,
}

/// All problems of a file so far, and the places that no message may show.
#[derive(Debug)]
pub(super) struct Problems<'a> {
    text: &'a str,
    pub(super) list: Vec<Problem>,
    pub(super) hidden: Vec<Span>,
    /// Whether parts of the file were taken out because they were wrong.
    lacks_parts: bool,
}

/// The end of the last whole character at or before a place.
pub(super) fn boundary(text: &str, place: usize) -> usize {
    (0..=place.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, list: Vec::new(), hidden: Vec::new(), lacks_parts: false }
    }

    pub(super) fn error(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Error, span, message.into(), hint.into());
    }

    pub(super) fn warning(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Severity::Warning, span, message.into(), hint.into());
    }

    fn push(&mut self, severity: Severity, span: &Span, message: String, hint: String) {
        self.list.push(Problem { severity, span: span.clone(), message, hint });
    }

    /// A value that is not of its form.
    pub(super) fn refused(&mut self, span: &Span, refusal: impl Into<InvalidValue>) {
        let InvalidValue { message, hint } = refusal.into();
        self.error(span, message, hint);
    }

    /// Keeps a place out of every message.
    pub(super) fn hide(&mut self, span: Span) {
        self.hidden.push(span);
    }

    /// Ends the first stage: from now on [`Self::is_whole`] tells whether it found all parts right.
    pub(super) fn shape_is_known(&mut self) {
        self.lacks_parts = self.has_errors();
    }

    /// Whether what is missing in the file really was not written. Else it may have been refused already, and a second
    /// report would only confuse.
    pub(super) fn is_whole(&self) -> bool {
        !self.lacks_parts
    }

    pub(super) fn has_errors(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The line of a place, counted from 1, to point from one problem to another.
    pub(super) fn line(&self, span: &Span) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
    }
}

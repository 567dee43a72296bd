//! Values that must be unique.

use std::collections::BTreeMap;

use crate::cluster::field::Span;
use crate::cluster::problem::Problems;

/// Reports every duplicate value with the line of the first one.
pub(super) fn check<'a, T: Ord>(
    problems: &mut Problems<'_>,
    values: impl IntoIterator<Item = (T, &'a Span)>,
    message: impl Fn(&T) -> String,
    hint: &str,
) {
    let mut seen: BTreeMap<T, usize> = BTreeMap::new();
    for (value, span) in values {
        if let Some(line) = seen.get(&value) {
            problems.error(span, format!("{}; first used in line {line}", message(&value)), hint);
        } else {
            let line = problems.line(span);
            seen.insert(value, line);
        }
    }
}

//! From text to a checked cluster.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use crate::board::Boards;
use crate::exit_class::{Classified, ExitClass};

use super::field::Span;
use super::file::File;
use super::model::Cluster;
use super::problem::{Problems, boundary};
use super::report::Report;
use super::{check, resolve, schema, validate};

/// What a cluster file is read among.
pub struct LoadContext<'a> {
    /// The boards that exist.
    pub boards: &'a Boards,
    /// The directory in which relative paths begin.
    pub dir: &'a Path,
    /// Reads a file that the cluster file names.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}

/// A cluster, and what should be said before it is built.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The cluster.
    pub cluster: Cluster,
    /// Warnings only; may be empty.
    pub warnings: Report,
}

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The file cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is wrong: everything that is, in one report.
    #[error("the cluster file has to be fixed first\n{0}")]
    Invalid(Report),
}

impl Classified for ClusterError {
    fn class(&self) -> Option<ExitClass> {
        Some(match self {
            Self::Read { .. } => ExitClass::Failed,
            Self::Invalid(_) => ExitClass::Usage,
        })
    }
}

/// Reads and checks a cluster file. Files that it names are found from its directory.
pub fn load(path: &Path, boards: &Boards) -> Result<Checked, ClusterError> {
    let failed = |source| ClusterError::Read { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let dir = path.parent().unwrap_or(Path::new(""));
    let context = LoadContext { boards, dir, read: &|file| std::fs::read(file) };
    parse(&text, &path.display().to_string(), &context).map_err(ClusterError::Invalid)
}

/// Checks the text of a cluster file; `name` is what reports call it. Nothing is read but what `context` reads.
///
/// # Errors
/// All problems together, where at least one is an error.
pub fn parse(text: &str, name: &str, context: &LoadContext<'_>) -> Result<Checked, Report> {
    let mut problems = Problems::new(text);
    let cluster = read(text, context, &mut problems);
    let failed = problems.has_errors();
    match cluster {
        Some(cluster) if !failed => Ok(Checked { cluster, warnings: Report::new(name, text, problems) }),
        _ => {
            if !failed {
                let hint = "please report it, with the file but without its secrets";
                problems.error(
                    &(0..0),
                    "the file passes all checks but makes no cluster: this is a fault of hcimage",
                    hint,
                );
            }
            Err(Report::new(name, text, problems))
        }
    }
}

fn read(text: &str, context: &LoadContext<'_>, problems: &mut Problems<'_>) -> Option<Cluster> {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        syntax(text, &errors, problems);
        return None;
    }
    if let Some((version, span)) = other_version(table.get_ref()) {
        let hint = "use a newer hcimage, or write schema = 1 and the keys of that format";
        problems.error(
            &span,
            format!("the file is of format {version}, and this hcimage reads format 1"),
            hint,
        );
        return None;
    }
    validate::check(&schema(), &mut table, problems);
    problems.shape_is_known();
    let file = match File::deserialize(Deserializer::from(table)) {
        Ok(file) => file,
        Err(error) => {
            problems.error(&error.span().unwrap_or(0..0), error.message(), "");
            return None;
        }
    };
    check::all(&file, context.boards, problems);
    resolve::cluster(file, context, problems)
}

/// A version that this program does not read: nothing else in such a file may be judged.
fn other_version(table: &DeTable<'_>) -> Option<(String, Span)> {
    let version = table.get("schema")?;
    let number = version.get_ref().as_integer()?.to_string();
    (number != "1").then(|| (number, version.span()))
}

/// One fault makes several errors where the parser finds its way again: the first of each line is the one to fix.
fn syntax(text: &str, errors: &[toml::de::Error], problems: &mut Problems<'_>) {
    let mut lines = std::collections::BTreeSet::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        if lines.insert(problems.line(&span)) {
            hide_values(text, span.start, problems);
            let hint = "see https://toml.io for how text, lists and tables are written";
            problems.error(&span, format!("this is not TOML: {}", error.message()), hint);
        }
    }
}

/// Nobody knows yet what a value is, so none on the line is shown; in a file with texts of several lines, no line.
fn hide_values(text: &str, at: usize, problems: &mut Problems<'_>) {
    let before = text.get(..boundary(text, at)).unwrap_or_default();
    let begin = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
    let line = text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let end = begin.saturating_add(line.len());
    if text.contains("\"\"\"") || text.contains("'''") {
        problems.hide(begin..end);
    } else if let Some(equals) = line.find('=') {
        problems.hide(begin.saturating_add(equals).saturating_add(1)..end);
    }
}

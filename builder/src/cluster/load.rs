//! From text to a checked cluster.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use hc_common::text::{NotText, decode};
use serde::Deserialize;
use toml::de::{DeTable, Deserializer};

use crate::board::Boards;
use crate::exit_class::{Classified, ExitClass};
use crate::local_file::{self, TEXT_LIMIT};
use crate::overlays::{Library, UserFolder};

use super::field::Span;
use super::file::File;
use super::model::{Cluster, Manifest};
use super::overlay_schema::{self, with_names, with_overlays};
use super::problem::{MOST, Problems, boundary};
use super::report::Report;
use super::schema::schema_alone;
use super::{check, resolve, validate};

/// What a cluster file is loaded with: boards, directory, other files.
pub struct LoadContext<'a> {
    /// The boards that exist.
    pub boards: &'a Boards,
    /// The overlays that exist.
    pub overlays: &'a Library,
    /// The directory of relative paths.
    pub dir: &'a Path,
    /// Reads a file that the cluster file names.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// Looks at a folder that the cluster file names; the error says what is wrong with it.
    pub list: &'a dyn Fn(&Path) -> Result<UserFolder, String>,
    /// Whether a file that the cluster file names lies outside of the project, as [`leads_outside`] tells.
    pub is_outside: &'a dyn Fn(&Path) -> bool,
    /// Whether others than its owner may read the cluster file.
    pub is_shared: bool,
}

/// A cluster, with warnings to show before it is built.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The cluster.
    pub cluster: Cluster,
    /// Warnings only; may be empty.
    pub warnings: Report,
    /// The files that the cluster file names, as far as [`load`] has read them.
    pub files: Vec<PathBuf>,
}

/// Why a cluster file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The file could not be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not a text.
    #[error("reading {path}")]
    NotText {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: NotText,
    },
    /// The file is invalid: all problems in one report.
    #[error("invalid cluster file\n{0}")]
    Invalid(Report),
}

impl Classified for ClusterError {
    fn class(&self) -> Option<ExitClass> {
        Some(match self {
            Self::Read { .. } => ExitClass::Failed,
            Self::NotText { .. } | Self::Invalid(_) => ExitClass::Usage,
        })
    }
}

/// Reads a file that a cluster file names: a regular one, and not longer than any may be.
///
/// # Errors
/// With the reason, besides what the system refuses.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    local_file::read(path, Manifest::LONGEST)
}

/// Whether a path leads out of the project's folder, by its words or by a link.
pub fn leads_outside(dir: &Path, file: &Path) -> bool {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    match (dir.canonicalize(), dir.join(file).canonicalize()) {
        (Ok(dir), Ok(file)) => !file.starts_with(dir),
        // What is not there cannot be read either.
        _ => false,
    }
}

/// Whether others than its owner may read a file. What cannot be asked is reported where the file is read.
fn is_shared(path: &Path) -> bool {
    #[cfg(unix)]
    return std::fs::metadata(path)
        .is_ok_and(|found| std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o044 != 0);
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Reads and checks a cluster file. Paths in it are relative to its directory.
pub fn load(path: &Path, boards: &Boards, overlays: &Library) -> Result<Checked, ClusterError> {
    let failed = |source| ClusterError::Read { path: path.to_owned(), source };
    let bytes = local_file::read(path, TEXT_LIMIT).map_err(failed)?;
    let text = decode(&bytes).map_err(|source| ClusterError::NotText { path: path.to_owned(), source })?;
    let dir = path.parent().unwrap_or(Path::new(""));
    let is_outside = |file: &Path| leads_outside(dir, file);
    let files = RefCell::new(Vec::new());
    let read = |path: &Path| {
        files.borrow_mut().push(path.to_owned());
        read_file(path)
    };
    let context = LoadContext {
        boards,
        overlays,
        dir,
        read: &read,
        list: &UserFolder::list,
        is_outside: &is_outside,
        is_shared: is_shared(path),
    };
    let checked = parse(text, &path.display().to_string(), &context).map_err(ClusterError::Invalid)?;
    Ok(Checked { files: files.take(), ..checked })
}

/// Checks the text of a cluster file; `name` is its name in reports. Other files are read only through `context`.
///
/// # Errors
/// All problems together, where at least one is an error.
pub fn parse(text: &str, name: &str, context: &LoadContext<'_>) -> Result<Checked, Report> {
    let mut problems = Problems::new(text);
    let cluster = read(text, context, &mut problems);
    let failed = problems.has_errors();
    match cluster {
        Some(cluster) if !failed => {
            Ok(Checked { cluster, warnings: Report::new(name, problems), files: Vec::new() })
        }
        _ => {
            if !failed {
                let hint = "please report this bug with the file, without its secrets";
                problems.error(
                    &(0..0),
                    "the file passes all checks but gives no cluster: this is a bug in hcimage",
                    hint,
                );
            }
            Err(Report::new(name, problems))
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
        let hint = "use a newer hcimage, or schema = 1 and its keys";
        problems.error(&span, format!("unsupported schema {version}: this hcimage supports schema 1"), hint);
        return None;
    }
    let overlays = overlay_schema::named(table.get_ref(), context.overlays, problems);
    let schema = with_overlays(schema_alone(), &overlays, true);
    validate::check(&with_names(schema, context.overlays), &mut table, problems);
    problems.schema_is_checked();
    let file = match File::deserialize(Deserializer::from(table)) {
        Ok(file) => file,
        Err(error) => {
            problems.error(&error.span().unwrap_or(0..0), error.message(), "");
            return None;
        }
    };
    check::all(&file, context.boards, problems);
    resolve::cluster(file, overlays, context, problems)
}

/// A version that this program does not support: nothing else in such a file can be checked.
fn other_version(table: &DeTable<'_>) -> Option<(String, Span)> {
    let version = table.get("schema")?;
    let number = version.get_ref().as_integer()?.to_string();
    (number != "1").then(|| (number, version.span()))
}

/// One mistake can cause several errors when the parser recovers: only the first of each line is reported.
fn syntax(text: &str, errors: &[toml::de::Error], problems: &mut Problems<'_>) {
    let mut lines = std::collections::BTreeSet::new();
    for error in errors {
        if lines.len() >= MOST {
            break;
        }
        let span = error.span().unwrap_or(0..0);
        if lines.insert(problems.line(&span)) {
            hide_values(text, span.start, problems);
            let hint = "see https://toml.io for the syntax of strings, arrays and tables";
            problems.error(&span, format!("invalid TOML: {}", error.message()), hint);
        }
    }
}

/// Any value may be secret before parsing, so none on the line is shown; with multi-line strings, no line is shown.
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

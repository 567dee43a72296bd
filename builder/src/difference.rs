//! What a plan would change in a base image, for a person to look through.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hc_common::text::printable::{printable, printable_lines};
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use crate::disk::ByteSize;
use crate::fs::{FsError, Kind};
use crate::os::Tree;
use crate::plan::{Action, Content, Edit, Plan, Reason};

/// A text that is longer is shown as a line, not as a diff.
const LONGEST_TEXT: u64 = 256 << 10;

/// Lines around a change.
const CONTEXT: usize = 3;

/// What one edit would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The path as the running system will see it.
    pub path: String,
    /// Why it changes.
    pub reason: Reason,
    /// What changes.
    #[serde(flatten)]
    pub what: What,
}

/// What changes at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// A text file.
    Text {
        /// Whether there was none.
        new: bool,
        /// A unified diff without its two heading lines.
        diff: String,
    },
    /// A file that is no text, or a long one.
    File {
        /// Whether there was none.
        new: bool,
        /// Size in bytes that it will have.
        size: u64,
    },
    /// Files of a folder.
    Files {
        /// How many.
        count: u64,
        /// Size in bytes that they will have together.
        size: u64,
    },
    /// A file that is secret.
    Secret {
        /// Whether there was none.
        new: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it will lead.
        target: String,
    },
    /// A directory.
    #[serde(rename = "folder")]
    Dir,
    /// What is there goes.
    Removed,
}

/// Compares the outstanding edits of a plan with what is in the image.
pub fn differences(tree: &Tree, plan: &Plan) -> Result<Vec<Difference>, FsError> {
    plan.edits.iter().map(|edit| difference(tree, edit)).collect()
}

/// The same with one line for all files of each of these folders of the node, where the first of them was.
pub fn summed(changes: Vec<Difference>, folders: &[&str]) -> Vec<Difference> {
    let mut kept: Vec<Difference> = Vec::new();
    let mut place_of: BTreeMap<&str, usize> = BTreeMap::new();
    for change in changes {
        let is_in = |folder: &str| change.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let folder = folders.iter().copied().find(|folder| is_in(folder));
        let (Some(folder), What::File { size: more, .. }) = (folder, &change.what) else {
            kept.push(change);
            continue;
        };
        match place_of.get(folder).and_then(|place| kept.get_mut(*place)) {
            Some(Difference { what: What::Files { count, size }, .. }) => {
                *count = count.saturating_add(1);
                *size = size.saturating_add(*more);
            }
            _ => {
                place_of.insert(folder, kept.len());
                let what = What::Files { count: 1, size: *more };
                kept.push(Difference { path: folder.to_owned(), reason: change.reason, what });
            }
        }
    }
    kept
}

fn difference(tree: &Tree, edit: &Edit) -> Result<Difference, FsError> {
    let old = tree.stat(&edit.path)?;
    let new = old.is_none();
    let what = match &edit.action {
        Action::Write(Content::Secret(_), _) => What::Secret { new },
        // What was there may have the secrets themselves.
        Action::Write(Content::Masked(_, shown), _) => What::Text { new, diff: unified("", shown) },
        Action::Write(content, _) => {
            let old = match old {
                Some(stat) if stat.kind == Kind::File && stat.size <= LONGEST_TEXT => {
                    String::from_utf8(tree.read(&edit.path, LONGEST_TEXT)?).ok()
                }
                Some(_) => None,
                None => Some(String::new()),
            };
            match (old, text(content)) {
                (Some(old), Some(text)) => What::Text { new, diff: unified(&old, text) },
                _ => What::File { new, size: content.size() },
            }
        }
        Action::Link(target, _) => What::Link { target: target.clone() },
        Action::Dir(_) => What::Dir,
        Action::Remove => What::Removed,
    };
    Ok(Difference { path: edit.path.to_string(), reason: edit.reason.clone(), what })
}

fn text(content: &Content) -> Option<&str> {
    match content {
        Content::Bytes(bytes) if content.size() <= LONGEST_TEXT => {
            std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
        }
        _ => None,
    }
}

fn unified(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut text = String::new();
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        // Writing into a String cannot fail; the same holds below.
        let _ = writeln!(text, "{}", hunk.header());
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let line = change.value();
            let _ = writeln!(text, "{sign}{}", line.strip_suffix('\n').unwrap_or(line));
            if change.missing_newline() {
                text.push_str("\\ No newline at end of file\n");
            }
        }
    }
    text
}

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

impl Difference {
    /// Lines for a terminal, with escape sequences for colours where they are wanted.
    pub fn shown(&self, colour: bool) -> String {
        let paint = |style: &str, text: &str| match colour {
            true => format!("{style}{text}{PLAIN}"),
            false => text.to_owned(),
        };
        let Self { path, reason, what } = self;
        let verb = |new: &bool| if *new { "create" } else { "change" };
        let head = match what {
            What::Text { new, .. } => verb(new).to_owned(),
            What::File { new, size } => format!("{} ({})", verb(new), ByteSize(*size)),
            What::Files { count, size } => format!("write files: {count} ({})", ByteSize(*size)),
            What::Secret { new } => format!("{} (secret, not shown)", verb(new)),
            What::Link { target } => format!("link to {}", printable(target)),
            What::Dir => "folder".to_owned(),
            What::Removed => "remove".to_owned(),
        };
        let mut text = format!("{}  {head}: {reason}\n", paint(BOLD, &printable(path)));
        if let What::Text { diff, .. } = what {
            // Not by `lines`, which would drop a carriage return.
            for line in diff.trim_end_matches('\n').split('\n') {
                let style = match line.chars().next() {
                    Some('+') => GREEN,
                    Some('-') => RED,
                    Some('@') => CYAN,
                    _ => PLAIN,
                };
                let _ = writeln!(text, "  {}", paint(style, &printable_lines(line)));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> String {
        let what = What::Text { new: old.is_empty(), diff: unified(old, new) };
        Difference { path: "/etc/x".to_owned(), reason: "why".into(), what }.shown(false)
    }

    #[test]
    fn a_change_is_shown_among_its_neighbours() {
        let said = shown("a\nb\nc\nd\ne\nf\ng\nh\n", "a\nb\nc\nd\nX\nf\ng\nh\n");
        assert_eq!(
            said,
            "/etc/x  change: why\n  @@ -2,7 +2,7 @@\n   b\n   c\n   d\n  -e\n  +X\n   f\n   g\n   h\n"
        );
    }

    #[test]
    fn a_line_without_an_end_and_one_with_escapes_are_shown_as_such() {
        let said = shown("", "\u{1b}[31mred");
        assert!(said.contains("+\\u{1b}[31mred") && said.contains("No newline"), "{said}");
        assert!(!said.contains('\u{1b}'));
    }

    #[test]
    fn the_files_of_a_folder_are_one_line() {
        let file = |path: &str, size| Difference {
            path: path.to_owned(),
            reason: "why".into(),
            what: What::File { new: true, size },
        };
        let changes = vec![
            file("/a", 1),
            file("/x/site/b", 1024),
            file("/x/site2/c", 3),
            file("/x/site/d/e", 2048),
            file("/x/site", 5),
        ];
        let said: String =
            summed(changes.clone(), &["/x/site"]).iter().map(|change| change.shown(false)).collect();
        assert_eq!(
            said,
            "/a  create (1 bytes): why\n/x/site  write files: 2 (3.0 KiB): why\n/x/site2/c  create (3 bytes): why\n\
             /x/site  create (5 bytes): why\n"
        );
        assert_eq!(summed(changes.clone(), &[]), changes);
    }

    #[test]
    fn colours_come_only_where_they_are_wanted() {
        let what = What::Secret { new: true };
        let secret = Difference { path: "/etc/token".to_owned(), reason: "lets it in".into(), what };
        assert_eq!(secret.shown(false), "/etc/token  create (secret, not shown): lets it in\n");
        assert!(secret.shown(true).starts_with(BOLD));
    }
}

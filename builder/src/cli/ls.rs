//! `hcimage ls`.

use std::io::{self, Write};

use anyhow::Context;
use hc_common::text::printable::printable;
use serde::Serialize;

use crate::fs::{Entry, ImagePath, Kind, Result, Stat};
use crate::os::Tree;

use super::output;
use super::place::Place;

/// List a directory or file of an image
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hcimage ls pi.img:/boot/firmware")]
pub(super) struct Args {
    /// The image and the path inside of it
    #[arg(value_name = "IMAGE:/PATH")]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One line of the list.
#[derive(Debug, Serialize)]
struct Line {
    kind: &'static str,
    mode: String,
    uid: u32,
    gid: u32,
    size: u64,
    name: String,
    target: Option<String>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let tree = self.place.open()?;
        let lines = lines(&tree, &self.place.path)
            .with_context(|| format!("listing {} in {}", self.place.path, self.place.image.display()))?;
        if self.json {
            return output::print_json(&lines);
        }
        let mut out = output::stdout();
        for line in lines {
            line.print(&mut out)?;
        }
        Ok(out.flush()?)
    }
}

/// A directory's entries, or the one line of a file.
fn lines(tree: &Tree, path: &ImagePath) -> Result<Vec<Line>> {
    let resolved = tree.resolve(path)?;
    if tree.kind(&resolved)? == Some(Kind::Dir) {
        return tree
            .list(&resolved)?
            .into_iter()
            .map(|Entry { name, .. }| line(tree, &resolved, name))
            .collect();
    }
    let name = path.name().unwrap_or("/").to_owned();
    let dir = path.parent().unwrap_or_else(ImagePath::root);
    Ok(vec![line(tree, &dir, name)?])
}

fn line(tree: &Tree, dir: &ImagePath, name: String) -> Result<Line> {
    let not_found = || crate::fs::FsError::NotFound { path: format!("{dir}/{name}").replace("//", "/") };
    let path = dir.join(&name).map_err(|_| not_found())?;
    let Stat { kind, size, attributes } = tree.stat(&path)?.ok_or_else(not_found)?;
    let target = if kind == Kind::Symlink { Some(tree.read_link(&path)?) } else { None };
    let kind = match kind {
        Kind::File => "file",
        Kind::Dir => "folder",
        Kind::Symlink => "link",
        Kind::Special => "special",
    };
    let mode = format!("{:04o}", attributes.mode);
    Ok(Line { kind, mode, uid: attributes.uid, gid: attributes.gid, size, name, target })
}

impl Line {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { kind, mode, uid, gid, size, name, target } = self;
        write!(out, "{kind:7} {mode} {uid:>5} {gid:>5} {size:>12} {}", printable(name))?;
        match target {
            Some(target) => writeln!(out, " -> {}", printable(target)),
            None => writeln!(out),
        }
    }
}

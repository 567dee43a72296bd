//! `hcimage diff`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hc_common::text::printable::printable;
use serde_json::json;

use super::output;
use super::place::tree;
use crate::comparison::{self, Comparison};
use crate::interrupt::Interrupt;
use crate::local_file;

/// Say what differs between two node images, or between the manifests beside them
///
/// Of images, all files are compared: content, owner, mode, where links lead. Contents are not shown, since images hold secrets; see
/// `hcimage cat`. Of manifests, what their builds changed is compared, without the images.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// An image, or its .manifest.json
    first: PathBuf,
    /// Another one
    second: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hcimage diff out/hc-1.img out/hc-2.img
  hcimage diff old/hc-1.img.manifest.json out/hc-1.img.manifest.json";

/// The longest manifest in bytes.
const MANIFEST_LIMIT: u64 = 64 << 20;

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self { first, second, json } = &self;
        let found = match (is_manifest(first)?, is_manifest(second)?) {
            (true, true) => {
                let text = |path: &Path| {
                    local_file::read_text(path, MANIFEST_LIMIT)
                        .with_context(|| format!("reading {}", path.display()))
                };
                let paths = comparison::manifests(&text(first)?, &text(second)?)?;
                Comparison { paths, ..Comparison::default() }
            }
            (false, false) => {
                let interrupt = Interrupt::install().context("catching Ctrl-C")?;
                comparison::trees(&tree(first)?, &tree(second)?, &interrupt)
                    .context("comparing the images")?
            }
            _ => bail!("an image and a manifest cannot be compared: name two of the same kind"),
        };
        if *json {
            let Comparison { paths, only_time, .. } = &found;
            return output::print_json(&json!({ "schema": 1, "differences": paths, "only_time": only_time }));
        }
        let mut out = output::stdout();
        for differing in &found.paths {
            writeln!(out, "{}: {}", printable(&differing.path), printable(&differing.how))?;
        }
        match (found.paths.len(), found.only_time) {
            (0, 0) => writeln!(out, "no difference")?,
            (_, 0) => {}
            (0, times) => writeln!(out, "no difference but the time of {times} files")?,
            (_, times) => writeln!(out, "and {times} files that differ in their time only")?,
        }
        Ok(out.flush()?)
    }
}

/// By its first byte: no image begins so, but for a damaged one.
fn is_manifest(path: &Path) -> anyhow::Result<bool> {
    let mut first = [0];
    let mut file = local_file::open(path).with_context(|| format!("opening {}", path.display()))?;
    Ok(std::io::Read::read(&mut file, &mut first)? == 1 && first == *b"{")
}

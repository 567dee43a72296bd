//! `hcimage cat`.

use std::io::Write;

use anyhow::Context;

use super::output;
use super::place::Place;

/// Print a file of an image
///
/// On a terminal, control characters are written out; into a file or pipe go the
/// bytes as they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hcimage cat pi.img:/boot/firmware/config.txt")]
pub(super) struct Args {
    /// The image and the path inside of it, links followed
    #[arg(value_name = "IMAGE:/PATH")]
    place: Place,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let tree = self.place.open()?;
        let context = || format!("reading {} in {}", self.place.path, self.place.image.display());
        let path = tree.resolve(&self.place.path).with_context(context)?;
        let mut out = output::content();
        tree.copy_to(&path, &mut out).with_context(context)?;
        Ok(out.flush()?)
    }
}

//! `hcimage vendor`.

use std::io::Write;
use std::path::PathBuf;

use hc_common::text::printable::printable;
use indicatif::HumanBytes;

use super::build_args::BuildArgs;
use super::output;
use crate::session::Vendored;

/// Write all inputs into one file, to build where there is no network
///
/// Base images, k3s and container images are fetched where they are not in the cache, and written with the lock. On the other
/// machine, beside the same cluster file and lock, `hcimage build --bundle FILE --offline` builds from them. Files of this machine
/// that the cluster file names are not in the bundle: copy the project's directory.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    build_args: BuildArgs,
    /// The file to write
    #[arg(long, short, value_name = "FILE", default_value = "bundle.tar")]
    output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    overwrite: bool,
}

const EXAMPLES: &str = "Examples:
  hcimage vendor -o bundle.tar
  hcimage build --bundle bundle.tar --offline";

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (project, sources) = (self.build_args.project()?, self.build_args.sources()?);
        let session = self.build_args.session()?;
        let Vendored { path, size, files } =
            session.vendor(&project, &sources, &self.output, self.overwrite)?;
        let mut out = output::stdout();
        let shown = path.display().to_string();
        writeln!(out, "{}  {} files, {}", printable(&shown), files, HumanBytes(size))?;
        Ok(out.flush()?)
    }
}

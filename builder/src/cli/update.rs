//! `hcimage update`.

use std::io::Write;
use std::path::PathBuf;

use hc_common::text::printable::printable;

use super::build_args::{CLUSTER_FILE, SourceArgs, library};
use super::output;
use crate::board::Boards;
use crate::session::{Changed, Project};
use crate::source::lock::Entry;

/// Take newer inputs: resolve what the lock has anew, and say what changed
///
/// Without a name everything in the lock is resolved again. What is new is fetched and verified; where that fails, the lock
/// stays as it was. Images are built from it by the next `hcimage build`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Entries of the lock: base, base.cm4, k3s, or a container image such as
    /// nginx:1.31
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The cluster file
    #[arg(long = "file", value_name = "FILE", default_value = CLUSTER_FILE)]
    cluster: PathBuf,
    #[command(flatten)]
    sources: SourceArgs,
    /// A directory with board profiles of your own
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// A directory with overlays of your own; those in `overlays` beside the cluster file are found without it
    #[arg(long, value_name = "DIR")]
    overlays: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  hcimage update
  hcimage update k3s
  hcimage update base.cm4 ghcr.io/navidrome/navidrome:0.63.2";

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let boards = Boards::load(self.profiles.as_deref())?;
        let (project, _) =
            Project::load(&self.cluster, &boards, &library(&self.cluster, self.overlays.clone()))?;
        let changes = super::session()?.update(&project, &self.sources.sources()?, &self.names)?;
        let mut out = output::stdout();
        if changes.is_empty() {
            writeln!(out, "nothing changed: {} has the newest of each", self.sources.lock().display())?;
        }
        for Changed { name, from, to } in changes {
            let shown =
                |entry: Option<Entry>| entry.map_or_else(|| "nothing".to_owned(), |entry| entry.to_string());
            for line in [name, format!("  {}", shown(from)), format!("  -> {}", shown(to))] {
                writeln!(out, "{}", printable(&line))?;
            }
        }
        Ok(out.flush()?)
    }
}

//! `hcimage images`.

use std::io::Write;

use hc_common::text::printable::printable;

use super::build_args::BuildArgs;
use super::output;
use super::output::Usage;
use crate::session::{ContainerImages, ImagePlaces};

/// List the container images that the nodes have, and what they would have to pull
///
/// Images come with k3s, or from [[images]]. What manifests ask for is compared with them. Charts are not known without Helm:
/// with --check, `helm template` renders each with its values for the Kubernetes of k3s, and its images are compared, too.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    build_args: BuildArgs,
    /// Render charts with the helm on the PATH, and fail where an image is missing
    #[arg(long)]
    check: bool,
}

const EXAMPLES: &str = "Examples:
  hcimage images
  hcimage images lab.toml --check";

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (project, sources) = (self.build_args.project()?, self.build_args.sources()?);
        let session = self.build_args.session()?;
        let found = session.container_images(&project, &sources, self.check)?;
        let ContainerImages { there, missing, unchecked } = &found;
        let mut out = output::stdout();
        for (name, ImagePlaces { archs, only_on, with_k3s }) in there {
            let archs = archs.iter().copied().collect::<Vec<_>>().join(", ");
            let source = if *with_k3s { "with k3s" } else { "[[images]]" };
            let only = only_on.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let only = if only.is_empty() { only } else { format!("  only {only}") };
            writeln!(out, "{}  {archs}  {source}{only}", printable(name))?;
        }
        for name in unchecked {
            writeln!(out, "not looked at: {}: see --check", printable(name))?;
        }
        for line in missing {
            writeln!(out, "would be pulled: {}", printable(line))?;
        }
        out.flush()?;
        if self.check && !missing.is_empty() && !project.cluster.online {
            let problem = format!("{} would need a registry: see above", containers(missing.len()));
            return Err(Usage(problem).into());
        }
        Ok(())
    }
}

fn containers(count: usize) -> String {
    if count == 1 { "a container".to_owned() } else { format!("{count} containers") }
}

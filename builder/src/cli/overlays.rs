//! `hcimage overlays`.

mod apply;
mod cluster;
mod remove;

use std::io::Write;
use std::path::{Path, PathBuf};

use hc_common::text::printable::{printable, printable_lines};

use crate::board::Boards;
use crate::overlays::{ActiveOverlay, Library, Needs, Overlay, Parameter, ParameterValue, starter};
use crate::session::Project;
use crate::value::{DnsLabel, Hostname};

use super::build_args::{CLUSTER_FILE, library};
use super::output::{self, Usage};

/// List overlays, show one, begin one, or change those of a cluster that runs
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// A directory with overlays of your own; those in `overlays` here are found without it
    #[arg(long, value_name = "DIR", global = true)]
    overlays: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List all overlays
    List,
    /// Show what an overlay is, its parameters, and what it brings
    Show {
        /// The overlay
        name: DnsLabel,
    },
    /// Print the manifests and chart values of a cluster file's overlays, with masks for secrets
    ///
    /// No network is needed, and nothing is written.
    Render {
        /// The cluster file
        #[arg(value_name = "CLUSTER_FILE", default_value = CLUSTER_FILE)]
        cluster: PathBuf,
        /// A directory with board profiles of your own
        #[arg(long, value_name = "DIR")]
        profiles: Option<PathBuf>,
    },
    Apply(Box<apply::Args>),
    Remove(Box<remove::Args>),
    /// Begin an overlay of your own: a folder with an example that builds
    New {
        /// Its name
        name: DnsLabel,
        /// The directory in which its folder is made
        #[arg(long, value_name = "DIR", default_value = "overlays")]
        dir: PathBuf,
    },
}

const EXAMPLES: &str = "Examples:
  hcimage overlays
  hcimage overlays show nextcloud
  hcimage overlays apply
  hcimage overlays remove nextcloud
  hcimage overlays new shop";

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let dir = self.overlays.clone();
        let library = library(Path::new(CLUSTER_FILE), self.overlays);
        match self.command {
            None | Some(Command::List) => list(&library),
            Some(Command::Show { name }) => show(&library, &name),
            Some(Command::Render { cluster, profiles }) => render(&cluster, dir, profiles.as_deref()),
            Some(Command::Apply(args)) => args.run(dir),
            Some(Command::Remove(args)) => args.run(dir),
            Some(Command::New { name, dir }) => begin(&name, &dir),
        }
    }
}

fn list(library: &Library) -> anyhow::Result<()> {
    let listed = library.list();
    let width = listed.iter().map(|listed| listed.name.as_str().len()).max().unwrap_or_default();
    let mut out = output::stdout();
    for one in &listed {
        let about = match library.get(&one.name) {
            Ok(Some(overlay)) => overlay.about,
            Ok(None) => continue,
            Err(error) => format!("cannot be used: {error}"),
        };
        writeln!(out, "{:width$}  {}", one.name.as_str(), printable(&about))?;
        if let Some(dir) = &one.dir {
            writeln!(out, "{:width$}  from {}", "", printable(&dir.display().to_string()))?;
        }
    }
    Ok(out.flush()?)
}

fn show(library: &Library, name: &DnsLabel) -> anyhow::Result<()> {
    let Some(overlay) = library.get(name)? else {
        let known: Vec<String> = library.list().iter().map(|listed| listed.name.to_string()).collect();
        return Err(Usage(format!("there is no overlay {name}; there are {}", known.join(", "))).into());
    };
    let mut out = output::stdout();
    writeln!(out, "{name}: {}", printable(&overlay.about))?;
    if let Some(dir) = &overlay.dir {
        writeln!(out, "from {}", printable(dir))?;
    }
    if !overlay.needs.is_empty() {
        let needs: Vec<&str> = overlay.needs.iter().map(DnsLabel::as_str).collect();
        writeln!(out, "needs the overlays {}", needs.join(", "))?;
    }
    writeln!(out, "\n[overlays.{name}]")?;
    parameters(&mut out, &overlay)?;
    brings(&mut out, &overlay)?;
    if !overlay.readme.is_empty() {
        writeln!(out, "\n{}", printable_lines(overlay.readme.trim_end()))?;
    }
    Ok(out.flush()?)
}

/// As lines of a cluster file: what has a default is commented out.
fn parameters(out: &mut impl Write, overlay: &Overlay) -> anyhow::Result<()> {
    for (name, parameter) in &overlay.parameters {
        writeln!(out, "# {}", printable(&parameter.help))?;
        if !parameter.choices.is_empty() {
            writeln!(out, "# One of: {}", printable(&parameter.choices.join(", ")))?;
        }
        let sign = if parameter.is_required() { "" } else { "#" };
        writeln!(out, "{sign}{name} = {}", printable(&shown(parameter)))?;
    }
    for (name, secret) in &overlay.secrets {
        writeln!(out, "# {}", printable(&secret.about()))?;
        let sign = if secret.is_required() { "" } else { "#" };
        writeln!(out, "{sign}{name} = {{ file = \"{name}.txt\" }}")?;
    }
    Ok(())
}

fn shown(parameter: &Parameter) -> String {
    let given = parameter.default.as_ref().or(parameter.example.as_ref()).cloned();
    let choice = || parameter.choices.first().cloned().map(ParameterValue::Text);
    let value = given.or_else(choice).unwrap_or_else(|| parameter.kind.nothing());
    match value {
        ParameterValue::Switch(on) => on.to_string(),
        ParameterValue::Number(number) => number.to_string(),
        ParameterValue::Text(text) => toml::Value::String(text).to_string(),
        // Nobody has named one.
        ParameterValue::Folder(_) => "\"\"".to_owned(),
        ParameterValue::List(items) => {
            toml::Value::Array(items.into_iter().map(toml::Value::String).collect()).to_string()
        }
    }
}

/// What it brings where all parameters have their defaults.
fn brings(out: &mut impl Write, overlay: &Overlay) -> anyhow::Result<()> {
    let lines = overlay.usual_needs().map(|needs| lines(&needs)).unwrap_or_default();
    if !lines.is_empty() {
        writeln!(out, "\nwhat it brings, with these values:")?;
    }
    for line in lines {
        writeln!(out, "  {}", printable(&line))?;
    }
    Ok(())
}

/// A line for each kind of thing that an overlay asks for.
pub(super) fn lines(needs: &Needs) -> Vec<String> {
    let list = |what: &str, items: Vec<String>| match items.is_empty() {
        true => None,
        false => Some(format!("{what}: {}", items.join(", "))),
    };
    let settings = [("servers", &needs.server), ("agents", &needs.agent)].map(|(role, settings)| {
        list(
            &format!("k3s on {role}"),
            settings.iter().map(|(key, value)| format!("{key} = {value}")).collect(),
        )
    });
    let backend = needs.flannel_backend.as_ref().map(|backend| format!("flannel-backend: {backend}"));
    let chart =
        |chart: &crate::overlays::NeededChart| format!("{} {}", chart.release, chart.version.as_str());
    let dir = |dir: &crate::overlays::NeededDir| match &dir.node {
        Some(node) => format!("{} on {node} ({}:{})", dir.path, dir.uid, dir.gid),
        None => format!("{} ({}:{})", dir.path, dir.uid, dir.gid),
    };
    let on = |name: String, node: &Option<Hostname>| match node {
        Some(node) => format!("{name} on {node}"),
        None => name,
    };
    let file = |file: &crate::overlays::NeededFile| on(file.path.clone(), &file.node);
    let package = |package: &crate::overlays::NeededPackage| on(package.name.to_string(), &package.node);
    let folder = |folder: &crate::overlays::NeededFolder| {
        on(format!("{} with {}", folder.path, folder.folder.summary()), &folder.node)
    };
    [
        list("a cluster has only one", needs.provides.clone()),
        list("files", needs.files.iter().map(file).collect()),
        list("charts", needs.charts.iter().map(chart).collect()),
        list("container images", needs.images.iter().map(|image| image.name.to_string()).collect()),
        list("packages", needs.packages.iter().map(package).collect()),
        list("directories on the data disk", needs.dirs.iter().map(dir).collect()),
        list("folders of yours", needs.folders.iter().map(folder).collect()),
        list("kernel modules", needs.modules.clone()),
        list(
            "kernel settings",
            needs.sysctls.iter().map(|(key, value)| format!("{key} = {value}")).collect(),
        ),
        list("takes the place of", needs.disable.clone()),
        backend,
    ]
    .into_iter()
    .chain(settings)
    .flatten()
    .collect()
}

fn render(file: &Path, dir: Option<PathBuf>, profiles: Option<&Path>) -> anyhow::Result<()> {
    let (project, warnings) = Project::load(file, &Boards::load(profiles)?, &library(file, dir))?;
    if !warnings.is_empty() {
        writeln!(output::stderr(), "{warnings}")?;
    }
    let mut out = output::stdout();
    write!(out, "{}", printable_lines(&head(&project.cluster.overlays, "# ")))?;
    for active in &project.cluster.overlays {
        let files = active.shown.files.iter().map(|file| (&file.name, &file.text));
        for (name, text) in files.chain(&active.shown.values) {
            writeln!(out, "---\n# {}: {}", active.name(), printable(name))?;
            writeln!(out, "{}", printable_lines(text.trim_end()))?;
        }
    }
    Ok(out.flush()?)
}

/// Each overlay with what it asks for; `sign` begins each line.
pub(super) fn head(overlays: &[ActiveOverlay], sign: &str) -> String {
    let mut text = String::new();
    for active in overlays {
        let why = active.asked_by.as_ref().map(|asker| format!(", which {asker} needs")).unwrap_or_default();
        let from = active.overlay.dir.as_ref().map(|dir| format!(", from {dir}")).unwrap_or_default();
        text.push_str(&format!("{sign}overlay {}{why}{from}\n", active.name()));
        for line in lines(&active.needs) {
            text.push_str(&format!("{sign}  {line}\n"));
        }
    }
    text
}

fn begin(name: &DnsLabel, dir: &Path) -> anyhow::Result<()> {
    let folder = dir.join(name.as_str());
    starter::write(name, &folder)?;
    let mut out = output::stdout();
    if Library::default().get(name)?.is_some() {
        writeln!(out, "from now on it takes the place of the overlay {name} that comes with hcimage")?;
    }
    writeln!(out, "begun in {}", printable(&folder.display().to_string()))?;
    writeln!(out, "switch it on in the cluster file: [overlays.{name}]")?;
    Ok(out.flush()?)
}

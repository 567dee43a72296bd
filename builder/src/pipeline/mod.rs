//! From a base image to node images: copy, grow, edit, check, and only then rename to the final names.
//!
//! What the nodes of one board have in common is written once, into a golden image; each node's image is a copy of it
//! with the node's own edits. The last node takes the golden image itself, so one node alone costs no copy more.

mod error;
mod image_draft;

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::apply::ChangeRecord;
use crate::change_manifest::Manifest;
use crate::disk::ByteSize;
use crate::os::{Access, Bootloader, Facts, OsError, OsImage, Tree, probe};
use crate::output::{Files, Output, OutputError};
use crate::plan::{DiskId, Plan, PlanError, Request, SharedPlan, files_of_interest, plan, split, warnings};
use crate::sbom::{self, Bill};
use crate::source::SourceContext;
use crate::value::Hostname;

pub use error::{BuildError, GrowError};

use image_draft::{Finished, ImageDraft};

/// What the manifest and the user are told of a changed table.
const FIRMWARE_ORDER: &str =
    "hybrid MBR: FAT first, guards of the GPT last, as the Raspberry Pi's firmware needs it";

/// A base image, and what it is.
#[derive(Debug)]
pub struct Base {
    path: PathBuf,
    name: String,
    facts: Facts,
}

impl Base {
    /// Looks at an image; writes nothing. `name` is what messages call it: a packed one lies in the cache, under a name
    /// that the user has not seen.
    pub fn probe(path: PathBuf, name: String) -> Result<Self, BuildError> {
        match OsImage::open(&path).and_then(|image| probe(&image, &files_of_interest())) {
            Ok(facts) => Ok(Self { path, name, facts }),
            Err(source) => Err(BuildError::Base { base: name, source }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Plans for a node; writes nothing.
    pub fn plan(&self, request: &Request<'_>) -> Result<Plan, BuildError> {
        let failed = |source: PlanError| BuildError::Plan { base: self.name.clone(), source };
        plan(&self.facts, request).map_err(failed)
    }

    /// What a person should know of the plan for a node, a line each.
    pub fn warnings(&self, request: &Request<'_>) -> Vec<String> {
        warnings(&self.facts, request)
            .into_iter()
            .map(|warning| format!("{}: {warning}", self.name))
            .collect()
    }

    /// The base as it is, to compare plans with.
    pub fn tree(&self) -> Result<Tree, BuildError> {
        let tree = OsImage::open(&self.path).and_then(|image| image.tree(Access::Read));
        tree.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: OsError) -> BuildError {
        BuildError::Base { base: self.name.clone(), source }
    }
}

/// A node image to be made.
#[derive(Debug)]
pub struct Target {
    /// The node.
    pub node: Hostname,
    /// Its board.
    pub board: String,
    /// What makes it.
    pub plan: Plan,
    /// Where it goes.
    pub output: Output,
    /// What goes into it besides the files of the plan.
    pub bill: Bill,
}

/// A node image that is complete, checked and on the disk, but for its name. Dropped, it is removed.
pub struct Ready {
    node: Hostname,
    board: String,
    output: Output,
    finished: Finished,
    manifest: NamedTempFile,
    sbom: NamedTempFile,
    bmap: NamedTempFile,
    partition_table: Option<String>,
}

/// A node image under its final name.
#[derive(Debug)]
pub struct BuiltImage {
    /// The node.
    pub node: Hostname,
    /// Its board.
    pub board: String,
    /// The image.
    pub path: PathBuf,
    /// The list of changes, beside it.
    pub manifest: PathBuf,
    /// The bill of materials, beside it.
    pub sbom: PathBuf,
    /// The block map, beside it.
    pub bmap: PathBuf,
    /// Size of the image in bytes, holes included.
    pub size: ByteSize,
    /// By how much the image was grown.
    pub grown: ByteSize,
    /// What was changed of the partition table itself, besides its growth.
    pub partition_table: Option<String>,
    /// What was changed.
    pub changes: Vec<ChangeRecord>,
}

/// Makes images of one base for nodes of one board; `now` is the time of every change, in seconds since 1970. On any
/// error all partial output is removed; the base is never written.
pub fn build(
    cx: &SourceContext<'_>,
    base: &Base,
    now: i64,
    targets: Vec<Target>,
) -> Result<Vec<Ready>, BuildError> {
    for target in &targets {
        target.output.check(Some(&base.path))?;
    }
    let (plans, places): (Vec<Plan>, Vec<Place>) = targets.into_iter().map(Target::split).unzip();
    let Some((last, others)) = places.split_last() else { return Ok(Vec::new()) };

    let mut golden = ImageDraft::of_base(cx, base, &last.output)?;
    let is_pi = matches!(base.facts.bootloader, Bootloader::PiFirmware { .. });
    let order = (is_pi && golden.order_for_firmware()?).then(|| FIRMWARE_ORDER.to_owned());
    let table_changes: Vec<String> = golden.table_change.clone().into_iter().chain(order).collect();
    let SharedPlan { shared, per_node } = split(&plans);
    let (shared, per_node) = golden.pending_edits(&shared, &per_node)?;
    golden.make_room(&shared, &per_node, base.facts.space)?;
    golden.apply(&shared, now)?;

    let mut finishing = Vec::new();
    let of_table = |plan: &Plan| {
        let all: Vec<String> = table_changes.iter().cloned().chain(plan.disk_id.map(told)).collect();
        Some(all.join("; ")).filter(|all| !all.is_empty())
    };
    for (place, plan) in others.iter().zip(&per_node) {
        let mut image = golden.copy(&place.output)?;
        image.apply(plan, now)?;
        finishing.push((place, of_table(plan), image.finish()));
    }
    let mut of_last = None;
    if let Some(plan) = per_node.last() {
        golden.apply(plan, now)?;
        of_last = of_table(plan);
    }
    finishing.push((last, of_last, golden.finish()));

    let task = cx.progress.start("syncing to the disk", None);
    let mut ready = Vec::new();
    for (Place { node, board, output, bill }, partition_table, image) in finishing {
        let content = Manifest {
            base: &base.facts.system,
            time: now,
            partition_table: partition_table.as_deref(),
            changes: &image.changes,
        };
        let manifest = write(output, |out| content.write(out))?;
        let bill = sbom::render(node.as_str(), bill, &image.changes, now)?;
        let sbom = write(output, |mut out| out.write_all(&bill))?;
        let finished = image.wait(output)?;
        let bmap = write(output, |mut out| out.write_all(finished.bmap.as_bytes()))?;
        let (node, board, output) = (node.clone(), board.clone(), output.clone());
        ready.push(Ready { node, board, output, finished, manifest, sbom, bmap, partition_table });
    }
    task.done();
    cx.interrupt.check()?;
    Ok(ready)
}

fn told(DiskId { old, new }: DiskId) -> String {
    format!("MBR: disk id {new:08x} in place of {old:08x}, which every card of this base would share")
}

/// Whose image it is, and where it goes.
struct Place {
    node: Hostname,
    board: String,
    output: Output,
    bill: Bill,
}

impl Target {
    fn split(self) -> (Plan, Place) {
        let Self { node, board, plan, output, bill } = self;
        (plan, Place { node, board, output, bill })
    }
}

/// What describes an image, written and synced, without its final name.
fn write(
    output: &Output,
    content: impl FnOnce(&File) -> io::Result<()>,
) -> Result<NamedTempFile, OutputError> {
    let temporary = output.temporary()?;
    let failed = |source| output.failed(source);
    content(temporary.as_file()).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    Ok(temporary)
}

impl Ready {
    /// Gives the image and what describes it their names.
    pub fn publish(self) -> Result<BuiltImage, OutputError> {
        let Self { node, board, output, finished, manifest, sbom, bmap, partition_table } = self;
        let Finished { path: image, _held, bmap: _, size, grown, changes } = finished;
        let [manifest, sbom, bmap] = [manifest, sbom, bmap].map(NamedTempFile::into_temp_path);
        output.publish(Files { image, manifest, sbom, bmap })?;
        let (manifest, sbom, bmap) = (output.manifest(), output.sbom(), output.bmap());
        let path = output.path;
        Ok(BuiltImage { node, board, path, manifest, sbom, bmap, size, grown, partition_table, changes })
    }
}

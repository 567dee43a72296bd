//! `hcimage inspect`.

mod boot;
mod facts;
mod map;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use hc_common::text::printable::printable;
use serde::Serialize;
use serde_json::json;

use crate::disk::{ByteSize, Partition, PartitionTable, TableKind, Window};
use crate::local_file;
use crate::os::{Facts, OsError, OsImage, probe};

use super::output;
use super::unpacked;

/// Say what an image holds: partitions, system, boot, network, swap, room
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hcimage inspect 2026-06-18-raspios-trixie-arm64-lite.img.xz")]
pub(super) struct Args {
    /// The image; a packed stock image is unpacked into the cache, where a build finds it
    image: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is known of an image, as far as it could be read.
struct Inspection {
    size: ByteSize,
    table: PartitionTable,
    system: Result<(OsImage, Facts), OsError>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let context = || format!("inspecting {}", self.image.display());
        let image = unpacked(&self.image).with_context(context)?;
        let inspection = inspect(&image.path).with_context(context)?;
        if self.json {
            output::print_json(&inspection.json())?;
        } else {
            let mut out = output::stdout();
            inspection.print(&mut out)?;
            out.flush()?;
        }
        inspection.system.map(drop).with_context(context)
    }
}

fn inspect(path: &Path) -> anyhow::Result<Inspection> {
    let file = Arc::new(local_file::open(path)?);
    let window = Window::whole(Arc::clone(&file))?;
    let table = PartitionTable::read(&window)?;
    let system = OsImage::from_file(file).and_then(|image| {
        let facts = probe(&image, &[])?;
        Ok((image, facts))
    });
    Ok(Inspection { size: ByteSize(window.len()), table, system })
}

impl Inspection {
    fn mounted_at(&self, partition: &Partition) -> Option<String> {
        let (image, _) = self.system.as_ref().ok()?;
        let mounts = image.mounts();
        let mount = mounts.iter().find(|(_, mounted, _)| mounted.number == partition.number)?;
        Some(mount.2.to_string())
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}, {}", table_name(&self.table), self.size)?;
        write!(out, "{}", map::draw(&self.table.partitions, self.size))?;
        for partition in &self.table.partitions {
            let mounted_at = self.mounted_at(partition).unwrap_or_default();
            let mounted_at = printable(&mounted_at);
            writeln!(
                out,
                "  {:>3}  {:20} {:>10}  at sector {:<9} {mounted_at}",
                partition.number,
                partition.kind.to_string(),
                partition.size.to_string(),
                partition.start.0 / crate::disk::SECTOR,
            )?;
        }
        if let Ok((_, facts)) = &self.system {
            writeln!(out)?;
            for (name, value) in facts::rows(facts) {
                writeln!(out, "{name:13} {}", printable(&value))?;
            }
            writeln!(out)?;
            write!(out, "{}", boot::text(facts))?;
        }
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        #[derive(Serialize)]
        struct Row {
            number: u32,
            kind: String,
            start: u64,
            size: u64,
            label: Option<String>,
            partuuid: Option<String>,
            mounted_at: Option<String>,
        }
        let partitions = self.table.partitions.iter().map(|partition| Row {
            number: partition.number,
            kind: partition.kind.to_string(),
            start: partition.start.0,
            size: partition.size.0,
            label: partition.label.clone(),
            partuuid: self.table.partuuid(partition.number),
            mounted_at: self.mounted_at(partition),
        });
        let partitions: Vec<Row> = partitions.collect();
        let system = self.system.as_ref().ok().map(|(_, facts)| facts::json(facts));
        json!({ "size": self.size.0, "table": table_name(&self.table), "partitions": partitions, "system": system })
    }
}

fn table_name(table: &PartitionTable) -> String {
    match table.kind {
        TableKind::Mbr { disk_id } => format!("MBR {disk_id:08x}"),
        TableKind::Gpt { disk_guid, hybrid: false } => format!("GPT {disk_guid}"),
        TableKind::Gpt { disk_guid, hybrid: true } => format!("GPT {disk_guid} with a hybrid MBR"),
    }
}

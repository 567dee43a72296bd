//! `hcimage inspect`.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;
use serde_json::json;

use crate::disk::{ByteSize, Partition, PartitionTable, TableKind, Window};
use crate::os::{Bootloader, Facts, OsError, OsImage, Role, probe};

use super::output;

/// Say what an image holds: partitions, system, network, swap, room
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hcimage inspect 2026-06-18-raspios-trixie-arm64-lite.img")]
pub(super) struct Args {
    /// The image, not compressed
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
        let inspection = inspect(&self.image).with_context(context)?;
        let mut out = output::stdout();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &inspection.json())?;
            writeln!(out)?;
        } else {
            inspection.print(&mut out)?;
        }
        out.flush()?;
        inspection.system.map(drop).with_context(context)
    }
}

fn inspect(path: &std::path::Path) -> anyhow::Result<Inspection> {
    let file = Arc::new(File::open(path)?);
    let window = Window::whole(Arc::clone(&file))?;
    let table = PartitionTable::read(&window)?;
    let system = OsImage::from_file(file).and_then(|image| {
        let facts = probe(&image)?;
        Ok((image, facts))
    });
    Ok(Inspection { size: ByteSize(window.len()), table, system })
}

impl Inspection {
    fn role(&self, partition: &Partition) -> Option<String> {
        let (image, _) = self.system.as_ref().ok()?;
        if partition.number == image.partition(Role::Root).number {
            return Some("/".to_owned());
        }
        (partition.number == image.partition(Role::Boot).number).then(|| image.boot_folder().to_string())
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}, {}", table_name(&self.table), self.size)?;
        for partition in &self.table.partitions {
            let role = self.role(partition).unwrap_or_default();
            writeln!(
                out,
                "  {:>3}  {:14} {:>10}  at sector {:<9} {role}",
                partition.number,
                partition.kind.to_string(),
                partition.size.to_string(),
                partition.start.0 / crate::disk::SECTOR,
            )?;
        }
        if let Ok((_, facts)) = &self.system {
            writeln!(out)?;
            for (name, value) in rows(facts) {
                writeln!(out, "{name:13} {value}")?;
            }
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
            mounted_at: Option<String>,
        }
        let partitions: Vec<Row> = self
            .table
            .partitions
            .iter()
            .map(|partition| Row {
                number: partition.number,
                kind: partition.kind.to_string(),
                start: partition.start.0,
                size: partition.size.0,
                mounted_at: self.role(partition),
            })
            .collect();
        let system = self.system.as_ref().ok().map(|(_, facts)| facts_json(facts));
        json!({ "size": self.size.0, "table": table_name(&self.table), "partitions": partitions, "system": system })
    }
}

fn table_name(table: &PartitionTable) -> String {
    match table.kind {
        TableKind::Mbr { disk_id } => format!("MBR {disk_id:08x}"),
        TableKind::Gpt { disk_guid } => format!("GPT {disk_guid}"),
    }
}

fn rows(facts: &Facts) -> Vec<(&'static str, String)> {
    let list = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    vec![
        ("system", facts.system.to_string()),
        ("architecture", facts.arch.to_string()),
        ("kernel words", boot_file(facts).to_owned()),
        ("network", list(facts.network.iter().map(ToString::to_string).collect())),
        ("swap", list(facts.swap.iter().map(ToString::to_string).collect())),
        ("cloud-init", if facts.cloud_init { "installed" } else { "none" }.to_owned()),
        ("iptables", if facts.old_iptables { "too old, k3s brings its own" } else { "good" }.to_owned()),
        ("hostname", facts.hostname.clone().unwrap_or_else(|| "none".to_owned())),
        ("free", format!("{}, {} inodes", ByteSize(facts.space.bytes), facts.space.inodes)),
    ]
}

fn facts_json(facts: &Facts) -> serde_json::Value {
    json!({
        "family": facts.system.family,
        "release": facts.system.codename,
        "architecture": facts.arch,
        "kernel_words": boot_file(facts),
        "network": facts.network,
        "swap": facts.swap.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "cloud_init": facts.cloud_init,
        "old_iptables": facts.old_iptables,
        "hostname": facts.hostname,
        "free_bytes": facts.space.bytes,
        "free_inodes": facts.space.inodes,
    })
}

fn boot_file(facts: &Facts) -> &str {
    match &facts.bootloader {
        Bootloader::PiFirmware { cmdline } => cmdline.as_str(),
        Bootloader::Grub { config } => config.as_str(),
    }
}

//! A card or disk of this machine: which there are, the question, the writing, what was done.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use hc_common::text::printable::printable;
use hc_device::linux::{OpenDisk, System};
use hc_device::{Disk, Part};

use crate::disk::{ByteSize, Window};
use crate::flash::{Flashed, Job, Mode};
use crate::interrupt::Interrupt;
use crate::local_file;
use crate::progress;
use crate::used_ranges::used;

use super::super::ask::confirm;
use super::super::output::{self, Usage};
use super::Args;

impl Args {
    pub(super) fn to_disk(&self) -> anyhow::Result<()> {
        let (Some(what), Some(path)) = (&self.what, &self.disk) else { return self.incomplete() };
        let image = self.node.image(what)?.path;
        self.write(&image, path)
    }

    /// Without a disk: all of them, and what is missing for writing.
    fn incomplete(&self) -> anyhow::Result<()> {
        list(&System::default())?;
        match &self.what {
            Some(what) => {
                let what = what.display().to_string();
                Err(Usage(format!("to which disk? Name it: hcimage flash {} /dev/sdX", printable(&what)))
                    .into())
            }
            None => Ok(()),
        }
    }

    fn write(&self, image: &Path, path: &Path) -> anyhow::Result<()> {
        let system = System::default();
        let file = local_file::open(image).with_context(|| format!("opening {}", image.display()))?;
        let window = Window::whole(Arc::new(file)).with_context(|| format!("reading {}", image.display()))?;
        // Before anything of a disk is looked at: a packed image would be written as it is.
        let used = used(&window).with_context(|| format!("not writing {}", image.display()))?;
        let disk = system.at(path).with_context(|| format!("looking at {}", path.display()))?;
        let Some(disk) = disk else {
            return Err(Usage(format!("{} is no disk: `hcimage flash` lists them", path.display())).into());
        };
        if let Some(refusal) = disk.refusal(window.len(), self.fixed) {
            return Err(anyhow::Error::new(refusal).context(format!("not writing to {}", path.display())));
        }
        // While it is open like this nobody can mount it, and the question is asked of the disk that is written to.
        let open = OpenDisk::open(&disk).map_err(|error| opening(&disk, error))?;
        self.confirm(&disk, image)?;
        let progress = progress::on_stderr();
        let interrupt = Interrupt::install()?;
        let job =
            Job { image: &window, used: &used, disk: &open, progress: &*progress, interrupt: &interrupt };
        let began = Instant::now();
        let mode = if self.delta { Mode::Delta } else { Mode::Whole };
        let done = job
            .run(mode)
            .with_context(|| format!("writing {} to {}", image.display(), disk.path.display()))?;
        drop(open);
        // A desktop mounts what it finds as soon as nobody holds the disk: the card would be pulled while it is mounted.
        let is_ejected = disk.is_removable && hc_device::linux::eject(&disk);
        tell(&done, &disk, began, is_ejected)
    }

    /// Asks once, with what will be lost. A script says the serial number.
    fn confirm(&self, disk: &Disk, image: &Path) -> anyhow::Result<()> {
        let path = disk.path.display().to_string();
        let serial = if disk.serial.is_empty() { &path } else { &disk.serial };
        let mut lost = vec!["All that is on it will be lost:".to_owned(), format!("  {}", line(disk))];
        lost.extend(parts(disk));
        let question = format!("Write {} to it?", image.display());
        confirm(self.yes.as_deref(), serial, &lost, &question)
    }
}

fn opening(disk: &Disk, error: io::Error) -> anyhow::Error {
    let why = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "only root may write to a disk, and no desktop is there that could ask for the password: run it with sudo"
        }
        io::ErrorKind::ResourceBusy => {
            "another program uses it: a desktop that has just mounted it, or another writer"
        }
        _ => "opening it",
    };
    anyhow::Error::new(error).context(why).context(format!("opening {}", disk.path.display()))
}

fn tell(done: &Flashed, disk: &Disk, began: Instant, is_ejected: bool) -> anyhow::Result<()> {
    let mut out = output::stdout();
    writeln!(
        out,
        "{}: {} of {} written, {} read back and compared, in {:.0} s. {}",
        disk.path.display(),
        ByteSize(done.written),
        ByteSize(done.image),
        ByteSize(done.verified),
        began.elapsed().as_secs_f64(),
        if is_ejected {
            "It is ejected: take it out."
        } else {
            "It can be taken out; unmount it first where a desktop has mounted it."
        }
    )?;
    Ok(out.flush()?)
}

/// A disk in a line.
fn line(disk: &Disk) -> String {
    let model = if disk.model.is_empty() { "unknown" } else { &disk.model };
    let serial = if disk.serial.is_empty() { "none" } else { &disk.serial };
    format!(
        "{}  {}  {}  serial {}",
        disk.path.display(),
        ByteSize(disk.size),
        printable(model),
        printable(serial)
    )
}

/// What is on it, a line each.
fn parts(disk: &Disk) -> Vec<String> {
    let line = |Part { name, size, file_system, label }: &Part| {
        let label = if label.is_empty() { String::new() } else { format!(" {label:?}") };
        format!("    {name}  {}  {file_system}{label}", ByteSize(*size)).trim_end().to_owned()
    };
    disk.parts.iter().map(line).collect()
}

/// The disks that an image can be written to with what is on them, and why others are not.
fn list(system: &System) -> anyhow::Result<()> {
    let disks = system.disks().context("looking for disks in /sys/block")?;
    let mut out = output::stdout();
    let (good, others): (Vec<&Disk>, Vec<&Disk>) =
        disks.iter().partition(|disk| disk.refusal(0, false).is_none());
    if good.is_empty() {
        writeln!(out, "No card or disk to write to. Put one in, and look again.")?;
    }
    for disk in good {
        writeln!(out, "{}", line(disk))?;
        for part in parts(disk) {
            writeln!(out, "{}", printable(&part))?;
        }
    }
    for disk in others {
        let why = disk.refusal(0, false).map(|refusal| refusal.to_string()).unwrap_or_default();
        writeln!(out, "{}\n    not this one: {}", line(disk), printable(&why))?;
    }
    Ok(out.flush()?)
}

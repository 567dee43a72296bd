//! Reading a card, an image of one, or a folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hc_firstboot::overrides::OVERRIDES_FILE;
use hc_firstboot::report::{SECRET_DIRS, STATUS_FILE};
use hc_firstboot::seed::{SEED_PATH, Seed};
use hc_firstboot::state::{FINISHED_PATH, STATE_PATH, State, parse};

use super::bundle;
use super::facts::{Facts, FileSystemFacts, Found, PartitionFacts, TableFacts};
use super::files::{self, BootFiles};
use super::logs;
use super::mask::{Gatherer, Mask};
use super::places;
use super::report_text::Report;
use super::wear::Wear;
use crate::disk::{Partition, PartitionTable, PartitionType, TableKind, Window};
use crate::exit_class::{Classified, ExitClass};
use crate::fs::ext4::{Examined, Ext4};
use crate::fs::fat::FatFs;
use crate::fs::{FileSystem, FsError, Kind};
use crate::local_file;

/// Largest text that is read of a card.
pub(super) const TEXT: u64 = 1 << 20;
/// Largest file that may have secrets, and how many are looked at.
const SECRET_FILE: u64 = 256 << 10;
const MOST_SECRET_FILES: usize = 4000;

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file with the bytes of a disk.
    Image(PathBuf),
    /// A block device.
    Device(PathBuf),
    /// A folder where the boot partition is mounted.
    Folder(PathBuf),
}

impl Origin {
    /// By what lies at the path.
    ///
    /// # Errors
    /// Where nothing is there.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?.file_type();
        let path = path.to_owned();
        #[cfg(unix)]
        if std::os::unix::fs::FileTypeExt::is_block_device(&found) {
            return Ok(Self::Device(path));
        }
        Ok(if found.is_dir() { Self::Folder(path) } else { Self::Image(path) })
    }
}

/// A card with what was read of it.
pub struct Card {
    /// What is known.
    pub facts: Facts,
    /// Hides its secrets.
    pub mask: Mask,
    pub(super) root: Option<Ext4>,
    pub(super) boot: Option<BootFiles>,
}

impl Card {
    /// Reads all that [`Facts`] has. What is damaged is a fact; an error is that nothing can be read.
    ///
    /// # Errors
    /// Where the file or device cannot be opened or its size is not known.
    pub fn read(origin: &Origin) -> io::Result<Self> {
        let mut card = Self { facts: Facts::default(), mask: Mask::default(), root: None, boot: None };
        match origin {
            Origin::Folder(dir) => {
                card.facts.is_folder = true;
                card.boot = Some(BootFiles::Folder(dir.clone()));
            }
            Origin::Image(path) => card.disk(local_file::open(path)?)?,
            Origin::Device(path) => {
                card.facts.is_mounted = places::is_mounted(path);
                card.facts.wear = Wear::of_disk(path);
                card.disk(File::open(path)?)?;
            }
        }
        card.mask = card.secrets();
        card.contents();
        Ok(card)
    }

    fn disk(&mut self, file: File) -> io::Result<()> {
        let disk = Window::whole(Arc::new(file))?;
        self.facts.size = Some(disk.len());
        let table = match PartitionTable::read(&disk) {
            Ok(table) => table,
            Err(error) => {
                let class = error.class().unwrap_or(ExitClass::Failed);
                self.facts.table = Some(Err((chain(&error), class)));
                return Ok(());
            }
        };
        self.facts.table = Some(Ok(table_facts(&table)));
        for partition in &table.partitions {
            match partition.kind {
                PartitionType::Fat => self.fat(&disk, partition),
                PartitionType::Linux | PartitionType::ExtendedBoot => self.ext4(&disk, partition),
                _ => {}
            }
        }
        Ok(())
    }

    fn fat(&mut self, disk: &Window, partition: &Partition) {
        let mut facts = of_partition(partition, "FAT");
        let found = partition.window(disk).map_err(|error| chain(&error));
        match found.and_then(|window| FatFs::examine(window).map_err(|error| chain(&error))) {
            Ok((fat, found)) => {
                facts.unmounted = !matches!(found, Some(FsError::Dirty { .. }));
                facts.damage = found.filter(|_| facts.unmounted).map(|error| chain(&error));
                facts.free = fat.space().ok();
                self.boot.get_or_insert(BootFiles::Fat(fat));
            }
            Err(why) => facts.unreadable = Some(why),
        }
        self.facts.file_systems.push(facts);
    }

    fn ext4(&mut self, disk: &Window, partition: &Partition) {
        let mut facts = of_partition(partition, "ext4");
        let found = partition.window(disk).map_err(|error| chain(&error));
        match found.and_then(|window| Ext4::examine(window).map_err(|error| chain(&error))) {
            Ok(Examined { fs, journal, unmounted, has_errors, errors, damage }) => {
                let is_system = ["/etc/os-release", "/usr/lib/os-release", SEED_PATH]
                    .iter()
                    .any(|path| files::path(path).is_some_and(|path| exists(&fs, &path)));
                facts.journal = Some(journal);
                (facts.unmounted, facts.has_errors, facts.errors) = (unmounted, has_errors, errors);
                facts.damage = damage.map(|error| chain(&error));
                facts.free = fs.space().ok();
                facts.is_root = is_system && self.root.is_none();
                if facts.is_root {
                    self.root = Some(fs);
                }
            }
            Err(why) => facts.unreadable = Some(why),
        }
        self.facts.file_systems.push(facts);
    }

    /// The values of the card's own secrets.
    fn secrets(&self) -> Mask {
        let mut gatherer = Gatherer::default();
        if let Some(boot) = &self.boot {
            for name in places::MAY_HAVE_SECRETS {
                gatherer.keys_if(&boot.text(name, TEXT).unwrap_or_default(), false);
            }
        }
        let Some(root) = &self.root else { return gatherer.mask() };
        let own = SECRET_DIRS.iter().map(|dir| (*dir, 1)).chain(places::SECRET_TREES);
        for found in own.flat_map(|(dir, depth)| files::walk(root, dir, depth, MOST_SECRET_FILES)) {
            if gatherer.is_full() {
                break;
            }
            if found.kind != Kind::File || found.size > SECRET_FILE {
                continue;
            }
            let Ok(bytes) = root.read(&found.path, SECRET_FILE) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            match found.mode & 0o077 == 0 || places::is_shadow(found.path.as_str()) {
                true => gatherer.keys_if(&text, places::has_keys(found.path.as_str())),
                false => gatherer.settings(&text),
            }
        }
        gatherer.mask()
    }

    /// What the file systems have.
    fn contents(&mut self) {
        let facts = &mut self.facts;
        if let Some(boot) = &self.boot {
            let report = boot.text(STATUS_FILE, TEXT);
            facts.report = report.map(|text| Report::parse(&self.mask.text(&text)));
            let names = boot.names();
            let needed = ["cmdline.txt", "config.txt", "efi", OVERRIDES_FILE, STATUS_FILE];
            facts.has_boot_files =
                names.iter().any(|name| needed.iter().any(|needed| name.eq_ignore_ascii_case(needed)));
        }
        let Some(root) = &self.root else { return };
        let parse_seed = |text: &str| Seed::parse(text).map(Box::new).map_err(|error| error.to_string());
        facts.seed =
            found(files::read(root, SEED_PATH, TEXT), |bytes| parse_seed(&String::from_utf8_lossy(bytes)));
        facts.state = found(files::read(root, STATE_PATH, TEXT), |bytes| parse(bytes).map(Box::new));
        if let Found::Present(state) = &mut facts.state {
            hide(state, &self.mask);
        }
        facts.finished = files::path(FINISHED_PATH).is_some_and(|path| exists(root, &path));
        let started = !matches!(facts.state, Found::Absent);
        facts.bundle = facts.seed.present().map(|seed| bundle::check(root, seed, started));
        facts.logs = logs::read(root, &self.mask, &mut facts.notes);
    }
}

/// Nobody sees an unmasked text of the state.
fn hide(state: &mut State, mask: &Mask) {
    // Notes of a phase and its failure are texts of other programs.
    let hide = |text: &mut String| *text = mask.text(text);
    state.notes.iter_mut().for_each(hide);
    for record in &mut state.phases {
        record.progress.iter_mut().chain(&mut record.notes).for_each(hide);
    }
    if let hc_firstboot::state::Outcome::Failed(failure) = &mut state.outcome {
        [&mut failure.what, &mut failure.advice].into_iter().chain(&mut failure.log).for_each(hide);
    }
}

fn found<T>(read: Result<Vec<u8>, FsError>, parse: impl FnOnce(&[u8]) -> Result<T, String>) -> Found<T> {
    match read {
        Ok(bytes) => parse(&bytes).map_or_else(Found::Damaged, Found::Present),
        Err(FsError::NotFound { .. }) => Found::Absent,
        Err(error) => Found::Damaged(chain(&error)),
    }
}

fn exists(fs: &dyn FileSystem, path: &crate::fs::ImagePath) -> bool {
    fs.resolve(path).and_then(|path| fs.stat(&path)).is_ok_and(|stat| stat.is_some())
}

fn of_partition(partition: &Partition, kind: &'static str) -> FileSystemFacts {
    let (partition, size) = (partition.number, partition.size.0);
    FileSystemFacts { partition, kind, size, unmounted: true, ..FileSystemFacts::default() }
}

fn table_facts(table: &PartitionTable) -> TableFacts {
    let kind = match table.kind {
        TableKind::Mbr { disk_id } => format!("MBR {disk_id:08x}"),
        TableKind::Gpt { disk_guid, hybrid: false } => format!("GPT {disk_guid}"),
        TableKind::Gpt { disk_guid, hybrid: true } => format!("GPT {disk_guid} with a hybrid MBR"),
    };
    let partitions = table.partitions.iter().map(|partition| PartitionFacts {
        number: partition.number,
        kind: partition.kind.to_string(),
        start: partition.start.0,
        size: partition.size.0,
    });
    TableFacts { kind, partitions: partitions.collect() }
}

/// An error with its causes, in a line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

//! What was read of a card: plain data, with secrets masked in what came from it.

use hc_firstboot::seed::Seed;
use hc_firstboot::state::State;

use super::report_text::Report;
use super::wear::Wear;
use crate::exit_class::ExitClass;
use crate::fs::Space;
use crate::fs::ext4::{ErrorRecord, JournalState};

/// Something that may be on the card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Found<T> {
    /// Where it would be cannot be read.
    #[default]
    Unknown,
    /// It is not there.
    Absent,
    /// It is there and well-formed.
    Present(T),
    /// It is there, and not what it should be, with the reason.
    Damaged(String),
}

impl<T> Found<T> {
    /// The thing, if it is there.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(thing) => Some(thing),
            _ => None,
        }
    }
}

/// All that is known.
#[derive(Debug, Default)]
pub struct Facts {
    /// Size in bytes; none for a folder.
    pub size: Option<u64>,
    /// Whether a file system of it is mounted on this machine: it changes while it is read.
    pub is_mounted: bool,
    /// Whether there is only the boot partition, mounted in a folder.
    pub is_folder: bool,
    /// The partition table, or what is wrong with it and of which class that is; none for a folder.
    pub table: Option<Result<TableFacts, (String, ExitClass)>>,
    /// The file systems, by partition.
    pub file_systems: Vec<FileSystemFacts>,
    /// What the builder told firstboot.
    pub seed: Found<Box<Seed>>,
    /// How far firstboot came.
    pub state: Found<Box<State>>,
    /// Whether the marker of the end of the first boot is there.
    pub finished: bool,
    /// The report on the boot partition.
    pub report: Option<Report>,
    /// Whether the boot partition has files that a boot needs.
    pub has_boot_files: bool,
    /// The files that the builder vouches for; none where they cannot be read.
    pub bundle: Option<Bundle>,
    /// The ends of logs.
    pub logs: Vec<Log>,
    /// What an eMMC says of its own wear.
    pub wear: Option<Wear>,
    /// What could not be read, and does not matter else.
    pub notes: Vec<String>,
}

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TableFacts {
    /// `MBR 1234abcd` or `GPT <guid>`.
    pub kind: String,
    /// In the order of their numbers.
    pub partitions: Vec<PartitionFacts>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PartitionFacts {
    /// From 1 on.
    pub number: u32,
    /// What the table says that it holds.
    pub kind: String,
    /// First byte.
    pub start: u64,
    /// Size in bytes.
    pub size: u64,
}

/// A file system.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct FileSystemFacts {
    /// Its partition.
    pub partition: u32,
    /// `ext4` or `FAT`.
    pub kind: &'static str,
    /// Whether it is the root of a system.
    pub is_root: bool,
    /// Size in bytes.
    pub size: u64,
    /// What is free; none where that is not known.
    pub free: Option<Space>,
    /// Whether it was unmounted.
    pub unmounted: bool,
    /// The state of its journal; none for FAT.
    pub journal: Option<JournalState>,
    /// Whether the kernel has flagged errors.
    pub has_errors: bool,
    /// What the kernel has noted of errors.
    pub errors: ErrorRecord,
    /// The first damage that was found.
    pub damage: Option<String>,
    /// Why it cannot be read at all.
    pub unreadable: Option<String>,
}

/// What became of the files of the bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Bundle {
    /// Files with the digest of the build.
    pub good: usize,
    /// The others, with the reason.
    pub bad: Vec<(String, String)>,
}

/// The end of a log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Log {
    /// Where it is from.
    pub name: String,
    /// Whose words these are.
    pub speaker: Speaker,
    /// Masked.
    pub lines: Vec<String>,
}

/// Who wrote a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaker {
    /// The kernel.
    Kernel,
    /// k3s.
    K3s,
    /// Anybody else.
    Other,
}
